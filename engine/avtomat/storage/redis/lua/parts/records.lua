-- Jobs, scopes and attempts as they are kept, each read once a step and written once by `save`.
--
-- j:<job>         hash: m (JOB), f (FIXED), h head, l labels, r reason, x search, R result (or Q where it stands, see rows.lua), E error, 1…n history,
--                 !<fence> what was closed, and why; and of the root scope v (SCOPE, then TASK if an attempt is open),
--                 s record, b body of its task, p progress, g and G: see mail.lua
-- s:<job><path>   hash: v, s, b, p, g, G of another scope, while it is open
-- e:<task id>     text: an attempt that ended (ENDED), for 15 minutes
-- lf:<job>        hash: task id → scope that went on without a dead attempt whose success would have to be undone, as it
--                 was, packed (rules.packed_left), while its lease is live
-- o:<job>         hash: task id → path of open attempts below the root, → `!` of dead ones whose lease is live
-- x:<job>         sorted set: paths below the root that are live (begun, or allowed to begin)
-- d               sorted set, by ms: all that comes due: <letter><ref>; letters: t attempt, w timer, d deadline,
--                 s start, b begin, m mail, r lease of an attempt that is dead already (its ref is the task id)
-- dr              hash: member of d → how often it was given out without an answer
-- pk:<job>        sorted set: members of d (with their times) and q<ref> (with its place) while the job is parked
-- q:<queue> LF <client>  sorted set of refs by place;  qc:<queue>  set: the clients that have such a set
-- qt:<queue>      hash: client → how far on it is, LF → the queue itself;  qs  hash: queue → requirements
-- rs:<worker>     sorted set of refs by ms: delayed attempts that are reserved for this worker (their `worker`)
-- sk              hash: sticky name → worker that took the last attempt of it;  sx  sorted set by ms: until when it counts
-- qn              text: the last stamp of a place (rules.next_stamp);  n  counter: other arrivals in this partition
--
-- A ref is <job><path>: `00ab/` is a root, `00ab/3.17` an item. A fence is a path, or a whole fork (`/3`).
-- ENDED_WORDS end a job for ever, PARKED_WORDS stop it.

local JOB = { 'status', 'state', 'seq', 'created', 'updated', 'finished', 'deadline', 'live', 'compensation', 'unwound',
  'aside', 'extras', 'start' }
local FIXED = { 'client', 'blueprint', 'digest', 'body_hash', 'retention', 'named', 'parent',
  'answers', 'needs' }
local SCOPE = { 'version', 'visit', 'timer', 'timer_visit', 'waits', 'forks', 'last_queue', 'last_priority' }
local TASK = { 'id', 'attempt', 'visit', 'queue', 'priority', 'phase', 'order', 'since', 'not_before', 'queue_ms',
  'queue_at', 'attempt_ms', 'attempt_at', 'lease_ms', 'lease_until', 'span', 'total_at', 'worker', 'nonce', 'due_kind',
  'due_at', 'noted', 'undoable', 'sticky' }
local SCOPE_THEN_TASK = '^(' .. string.rep('[^\n]*\n', #SCOPE) .. ')(.*)$'
local ENDED = { 'why', 'worker', 'hash', 'path', 'attempt', 'live', 'at' }

local ENDED_KEPT_MS = 900000
local ENDED_WORDS = { finished = true, failed = true, cancelled = true }
local OPERATOR_MAIL = { cancel = true, pause = true, resume = true, operate = true }
local PARKED_WORDS = { paused = true, quarantined = true }

local jobs, scopes = {}, {}

-- The job has used what most jobs never need (mail, signals, forks, undos, leases of the dead): look there when it ends.
function S.note_extras(job)
  if job.extras ~= '1' then job.extras, job.dirty = '1', true end
end

function S.new_scope(job, path, key)
  local scope = { job = job, path = path, ref = job.id .. path, key = key, version = 0 }
  scopes[scope.ref] = scope
  return scope
end

function S.read_scope(job, path, key, packed)
  if not packed then return nil end
  local own, task = string.match(packed, SCOPE_THEN_TASK)
  local scope = S.unpack_into(S.new_scope(job, path, key), SCOPE, own)
  if task ~= '' then scope.task = S.unpack_into({}, TASK, task) end
  return scope
end

-- What never changes of a job.
function S.fixed_of(job)
  job.fixed = job.fixed or S.unpack_into({}, FIXED, call('HGET', job.key, 'f'))
  return job.fixed
end

function S.job_of(id)
  if jobs[id] then return jobs[id] end
  local key = P .. 'j:' .. id
  local read = call('HMGET', key, 'm', 'v')
  if not read[1] then return nil end
  local job = S.unpack_into({ id = id, key = key }, JOB, read[1])
  jobs[id] = job
  S.read_scope(job, '/', key, read[2])
  return job
end

function S.scope_key(job, path)
  if path == '/' then return job.key end
  return P .. 's:' .. job.id .. path
end

-- The scope, or nil when it has not begun or is closed.
function S.scope_of(job, path)
  local known = scopes[job.id .. path]
  if known ~= nil or path == '/' then return known or nil end
  local key = S.scope_key(job, path)
  return S.read_scope(job, path, key, call('HGET', key, 'v'))
end

-- Write what was changed since the last time.
function S.save()
  for _, job in pairs(jobs) do
    if job.dirty then
      S.put(job.key, 'm', S.pack(JOB, job))
      job.dirty = nil
    end
  end
  for _, scope in pairs(scopes) do
    if scope and scope.dirty then
      S.put(scope.key, 'v', S.pack(SCOPE, scope) .. (scope.task and S.pack(TASK, scope.task) or ''))
      scope.dirty = nil
    end
  end
  for key, fields in pairs(changes) do S.write_fields(key, fields) end
  changes = {}
end

function S.is_parked(job)
  return PARKED_WORDS[job.status]
end

function S.split_ref(ref)
  return string.match(ref, '^([^/]*)(/.*)$')
end

-- While a job is parked its members wait aside, all but its deadline and operators' mail.
function S.arm(job, letter, ref, at, is_operators)
  local member, key = letter .. ref, P .. 'd'
  if S.is_parked(job) and letter ~= 'd' and not is_operators then
    key = P .. 'pk:' .. job.id
    job.aside, job.dirty = '1', true
  end
  if call('ZADD', key, at, member) == 0 then call('HDEL', P .. 'dr', member) end
end

-- Of an ended job a member that was set aside has gone already, but not how often it was given out.
function S.disarm(job, letter, ref)
  local removed = call('ZREM', P .. 'd', letter .. ref)
  if job.aside == '1' then removed = removed + call('ZREM', P .. 'pk:' .. job.id, letter .. ref) end
  if removed > 0 or ENDED_WORDS[job.status] then call('HDEL', P .. 'dr', letter .. ref) end
end
