-- Apply a write-set: everything that one decision changes, in one step.
--
-- A write-set travels as operations: a word, then as many arguments as ARITY says; '' is "none". A part that several of
-- them hold is sent once: the scope's record, the entry and the output come in two arguments each (see S.whole), `part`
-- is a value that is a slice of it. `output_at` is what the root leaves where its record or values hold that part: it is
-- kept without it, and Q says where it stands; see rows.lua.
-- rt  sorted set by ms: ended jobs until their retention is over        v:<job>  hash: large values

local ARITY = { scope = 7, keeps_task = 0, settled = 0, undoable = 0, dead_because = 1, dispatch = 10, body = 1, requirements = 1, timer = 1,
  signal = 1, fork = 6, close = 1, finish = 2, output = 2, output_at = 3, error = 1, undo = 1,
  undone = 1, head = 0, status = 1, reason = 1, deadline = 1, search = 1, labels = 1, post = 8, carry = 2,
  value = 2, part = 3 }
local REPEATED = { close = true, post = true, carry = true, value = true, part = true }
local DISPATCH = { 'id', 'attempt', 'queue', 'priority', 'not_before', 'queue_ms', 'attempt_ms', 'lease_ms', 'total_at',
  'sticky' }

function S.read_writes(from, shared)
  local writes = { close = {}, post = {}, carry = {}, value = {}, part = {} }
  while from <= #ARGV do
    local word, arguments = ARGV[from], {}
    for place = 1, ARITY[word] do arguments[place] = ARGV[from + place] end
    if REPEATED[word] then
      table.insert(writes[word], arguments)
    else
      writes[word] = arguments
    end
    from = from + 1 + ARITY[word]
  end
  local scope, output = writes.scope, writes.output
  scope[4], scope[5] = S.whole(scope[4], scope[5], shared), S.whole(scope[6], scope[7], shared)
  if output then output[1] = S.whole(output[1], output[2], shared) end
  for _, part in ipairs(writes.part) do
    table.insert(writes.value, { part[1], string.sub(shared, part[2], part[3]) })
  end
  return writes
end

function S.first(arguments)
  return arguments and arguments[1]
end

-- What the scope waited for goes, unless it keeps its task; what lies below it is closed.
function S.leave_wait(scope, writes, why)
  local keeps = writes.keeps_task
  if scope.task and (not keeps or writes.dispatch) then S.kill(scope, why, writes.settled) end
  if tonumber(scope.timer) and (not keeps or writes.timer) then
    S.disarm(scope.job, 'w', scope.ref)
    scope.timer = ''
  end
  if scope.waits == '1' and (not keeps or writes.signal) then S.stop_waiting(scope, writes.settled) end
  for _, fence in ipairs(writes.close) do
    if not S.closed_because(scope.job, fence[1]) then
      S.put(scope.job.key, '!' .. fence[1], why)
      S.close(scope.job, fence[1], why)
    end
  end
end

function S.enter_wait(scope, writes)
  if writes.dispatch then
    local task = {}
    for place, name in ipairs(DISPATCH) do task[name] = writes.dispatch[place] end
    if writes.undoable then task.undoable = '1' end
    S.open_attempt(scope, task, S.first(writes.body), S.first(writes.requirements))
  elseif (scope.last_queue or '') ~= '' and not scope.task and not writes.keeps_task then
    scope.last_queue, scope.last_priority = '', ''
    S.put(scope.key, 'b', false)
  end
  if writes.timer then
    scope.timer, scope.timer_visit = writes.timer[1], scope.visit
    S.arm(scope.job, 'w', scope.ref, scope.timer)
  end
  if writes.signal then S.wait_for(scope, writes.signal[1]) end
  if writes.fork then S.start_fork(scope, unpack(writes.fork)) end
end

function S.end_job(job, writes, why)
  S.clear_waits(S.scope_of(job, '/'), why)
  S.put(job.key, '!/', why)
  local more = job.extras == '1' and S.close(job, '/', why)
  if (tonumber(job.live) or 0) > 0 then S.drop_leases(job) end
  job.live = ''
  if job.deadline ~= '' then S.disarm(job, 'd', job.id) end
  if job.start == '1' then S.disarm(job, 's', job.id) end
  if job.extras == '1' then S.drop_extras(job, more) end
  S.put(job.key, 'b', false)
  S.put(job.key, 'R', S.first(writes.output))
  if writes.output_at then
    local rest, places, where = unpack(writes.output_at)
    S.put(job.key, 'R', rest)
    S.put(job.key, 'Q', places .. '\n' .. where)
  end
  S.put(job.key, 'E', S.first(writes.error))
  S.move_index(job, writes.finish[2])
  job.finished, job.aside = job.updated, ''
  call('ZADD', P .. 'rt', job.finished + S.fixed_of(job).retention, job.id)
end

function S.end_scope(scope, writes, why)
  local job, path = scope.job, scope.path
  S.begins = {}
  if path == '/' then return S.end_job(job, writes, why) end
  if (scope.forks or '') ~= '' then S.put(job.key, '!' .. path, why) end
  S.close(job, path, why)
  S.count_end(job, path, writes.finish[1] == '1', S.first(writes.output), S.first(writes.error) or '')
end

function S.apply(scope, writes, cause)
  local job, why = scope.job, S.first(writes.dead_because) or 'cancelled'
  local visit, state, at_ms, record, entry = unpack(writes.scope)
  S.write_history(job, scope.path, cause, entry, at_ms)
  job.is_ending = writes.finish and scope.path == '/'
  scope.was = scope.version
  scope.version, scope.visit, scope.dirty = scope.version + 1, visit, true
  if scope.path == '/' and state ~= '' then job.state = state end
  S.put(scope.key, 's', record)
  for _, value in ipairs(writes.value) do call('HSETNX', P .. 'v:' .. job.id, value[1], value[2]) end
  if writes.undo or writes.undone then S.record_undo(job, writes) end
  if writes.head then S.change_head(job, writes) end
  S.leave_wait(scope, writes, why)
  S.enter_wait(scope, writes)
  if writes.finish then S.end_scope(scope, writes, why) end
  local mailed = S.mailed
  if #writes.post + #writes.carry > 0 then S.send_post(writes) end
  S.mailed = mailed
  if job.status == 'compensating' then S.unwind(job) end
end
