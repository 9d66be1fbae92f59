-- Give out what has come due, armed again until a commit answers it; do what the store does by itself.
--
-- ARGV  2 how many members to look at, 3 ms until a member is given out again (doubling, 16 times at most)
-- Returns {now, {stray member, …}, {{kind, path, number, returned, mail id or false, kind, body, signal or false,
--         loaded or false, job, attempt that a worker holds or '', that worker or ''}, …}}
--
-- A stray is a member that has no owner, or that cannot be read: it is removed, so that it holds up nothing.
--
-- dl  text: when `due` last left nothing undone
--@include base
--@include records
--@include tasks
--@include mail
--@include view
--@later paths
--@later dead
--@later parking

local REARM_FACTOR_MAX = 16
local UNWATCHED_MS_MIN = 2000
local limit, rearm_ms = tonumber(ARGV[2]), tonumber(ARGV[3])
local watched = tonumber(call('GET', P .. 'dl'))

local given, strays = {}, {}

local function give(job, path, member, kind, number, returned, id, letter, task)
  call('ZADD', P .. 'd', now + rearm_ms * math.min(REARM_FACTOR_MAX, 2 ^ (returned - 1)), member)
  given[#given + 1] = { kind, path, number, returned, id or false, letter and letter.kind or false,
    letter and letter.body or false, letter and letter.kept_until and letter.signal or false,
    S.loaded_if_small(job, path), job.id, task and task.id or '', task and task.worker or '' }
end

local function give_again(job, path, member, kind, number, task)
  give(job, path, member, kind, tonumber(number) or 0, call('HINCRBY', P .. 'dr', member, 1), nil, nil, task)
end

-- Whether the worker may have found nobody to renew this lease with, because no replica was there.
local function was_unwatched(task, member)
  if call('HEXISTS', P .. 'dr', member) == 1 then return false end
  if not watched then return true end
  return tonumber(task.lease_until) > watched and now - watched > math.max(math.floor(task.span / 3), UNWATCHED_MS_MIN)
end

local function due_task(job, path, member)
  local scope = S.scope_of(job, path)
  local task = scope.task
  if task.due_kind == 'delayed' then
    S.enqueue(scope)
  elseif task.due_kind == 'lease' and was_unwatched(task, member) then
    task.lease_until = now + task.span
    S.arm_task(scope)
  else
    give_again(job, path, member, task.due_kind, task.attempt, task.phase == 'leased' and task)
  end
end

local function due_mail(job, path, member)
  local ref = job.id .. path
  if not S.next_mail(job, ref) then return S.set_aside(job, member) end
  local id, letter = S.letter_to_give(job, ref)
  give(job, path, member, 'mail', 0, call('HINCRBY', P .. 'mr:' .. ref, id, 1), id, letter)
end

local SERVE = {
  t = due_task,
  m = due_mail,
  w = function(job, path, member) give_again(job, path, member, 'timer', S.scope_of(job, path).timer_visit) end,
  b = function(job, path, member) give_again(job, path, member, 'begin', 0) end,
  d = function(job, _, member) give_again(job, '/', member, 'deadline', 0) end,
  s = function(job, _, member) give_again(job, '/', member, 'start', 0) end,
}

local function has_mail(job, path)
  return S.scope_of(job, path) and S.mail_waiting(job.id .. path) > 0
end

-- Whether a member has its owner still.
local OWNED = {
  t = function(job, path) local scope = S.scope_of(job, path) return scope and scope.task end,
  m = has_mail,
  w = function(job, path) local scope = S.scope_of(job, path) return scope and tonumber(scope.timer) end,
  b = function(job, path) return not S.scope_of(job, path) and call('ZSCORE', P .. 'x:' .. job.id, path) end,
  d = function(job) return job.deadline ~= '' end,
  s = function(job) return job.start == '1' end,
}
local HAS_PATH = { t = true, m = true, w = true, b = true }

local function serve_dead(task_id, member)
  local job, record = S.job_of_attempt(task_id), S.read_ended(task_id)
  if job and record then
    S.end_live_lease(job, task_id, record)
    S.unwind(job)
  else
    call('ZREM', P .. 'd', member)
  end
end

local function drop(member)
  call('ZREM', P .. 'd', member)
  call('HDEL', P .. 'dr', member)
end

local function serve(member)
  local letter, ref = string.sub(member, 1, 1), string.sub(member, 2)
  if letter == 'r' then return serve_dead(ref, member) end
  local id, path = S.split_ref(ref)
  local job = S.job_of(id or ref)
  if job and path and path ~= '/' and S.closed_because(job, path) then return drop(member) end
  local is_owned = job and OWNED[letter] and (path ~= nil) == (HAS_PATH[letter] == true) and OWNED[letter](job, path)
  if is_owned then return SERVE[letter](job, path, member) end
  drop(member)
  strays[#strays + 1] = member
end

local members = call('ZRANGEBYSCORE', P .. 'd', '-inf', now, 'LIMIT', 0, limit)
for _, member in ipairs(members) do serve(member) end
if #members < limit then call('SET', P .. 'dl', now) end
S.save()
return { S.told(), strays, given }
