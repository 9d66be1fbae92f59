-- Attempts: open one, queue it, end it; the one due member that each open attempt has.

local PLACES_FROM_MS, STAMPS_PER_MS = 1735689600000, 100
local STICKY_GRACE_MS, STICKY_KEPT_MS, STICKY_NAMES_MAX = 2000, 3600000, 10000

local LIMITS = {
  delayed = { { 'total', 'total_at' }, { 'delayed', 'not_before' } },
  queued = { { 'total', 'total_at' }, { 'queue', 'queue_at' } },
  leased = { { 'total', 'total_at' }, { 'attempt', 'attempt_at' }, { 'lease', 'lease_until' } },
}

-- The limit of an attempt that passes first, and when; of equal times the one that is named first.
function S.next_limit(task)
  local first, first_at
  for _, limit in ipairs(LIMITS[task.phase]) do
    local at = tonumber(task[limit[2]])
    if at and (not first_at or at < first_at) then first, first_at = limit[1], at end
  end
  return first, first_at
end

-- Bring the one member of an attempt up to date; one that keeps its kind and time is left as it is.
function S.arm_task(scope)
  local task = scope.task
  local kind, at = S.next_limit(task)
  scope.dirty = true
  if kind == task.due_kind and at == tonumber(task.due_at) then return end
  if kind then
    S.arm(scope.job, 't', scope.ref, at)
  elseif (task.due_kind or '') ~= '' then
    S.disarm(scope.job, 't', scope.ref)
  end
  task.due_kind, task.due_at = kind or '', at or ''
end

function S.queue_key(scope)
  return P .. 'q:' .. scope.task.queue .. '\n' .. S.fixed_of(scope.job).client
end

function S.put_in_queue(scope)
  local task, job = scope.task, scope.job
  if S.is_parked(job) then
    call('ZADD', P .. 'pk:' .. job.id, task.order, 'q' .. scope.ref)
    job.aside, job.dirty = '1', true
    return
  end
  local queue, key = task.queue, S.queue_key(scope)
  if call('ZADD', key, task.order, scope.ref) == 1 and call('ZCARD', key) == 1 then
    local clients = P .. 'qc:' .. queue
    if call('SCARD', clients) == 0 then
      call('HSETNX', P .. 'qs', queue, '')
      S.wake('q' .. queue)
    end
    call('SADD', clients, S.fixed_of(job).client)
  end
end

-- Take a queued attempt out of its queue.
function S.unqueue(scope)
  local key = S.queue_key(scope)
  if call('ZREM', key, scope.ref) == 1 and call('ZCARD', key) == 0 then
    call('SREM', P .. 'qc:' .. scope.task.queue, S.fixed_of(scope.job).client)
  end
end

-- The place of an attempt that is queued now (rules.place_in_queue), as a text: it may pass 1e14.
function S.next_place(priority)
  local stamp = math.max((tonumber(call('GET', P .. 'qn')) or 0) + 1, (now - PLACES_FROM_MS) * STAMPS_PER_MS)
  call('SET', P .. 'qn', string.format('%.0f', stamp))
  local ageing_ms = tonumber(string.match(ARGV[1], '@(%d+)'))
  return string.format('%.0f', (stamp - priority * ageing_ms * STAMPS_PER_MS) * 10 + 9 - priority)
end

-- The attempt is for nobody alone any more.
function S.unreserve(scope)
  local task = scope.task
  if task.phase == 'delayed' and (task.worker or '') ~= '' then
    call('ZREM', P .. 'rs:' .. task.worker, scope.ref)
    task.worker = ''
  end
end

-- The worker that took the last attempt of the same name, if it is remembered.
function S.sticky_worker(name)
  local until_ms = call('ZSCORE', P .. 'sx', name)
  return until_ms and tonumber(until_ms) > now and call('HGET', P .. 'sk', name)
end

-- The attempt waits for one worker alone, for a while.
function S.reserve(scope, worker)
  local task, key = scope.task, P .. 'rs:' .. worker
  task.worker, task.not_before = worker, now + STICKY_GRACE_MS
  call('ZADD', key, now, scope.ref)
  call('PEXPIRE', key, STICKY_KEPT_MS)
  S.wake('r' .. worker)
end

function S.stick(name, worker)
  call('HSET', P .. 'sk', name, worker)
  call('ZADD', P .. 'sx', now + STICKY_KEPT_MS, name)
  local gone = call('ZRANGEBYSCORE', P .. 'sx', '-inf', now, 'LIMIT', 0, 10)
  local over = call('ZCARD', P .. 'sx') - #gone - STICKY_NAMES_MAX
  if over > 0 then gone = call('ZRANGE', P .. 'sx', 0, #gone + over - 1) end
  for place = 1, #gone do
    call('HDEL', P .. 'sk', gone[place])
    call('ZREM', P .. 'sx', gone[place])
  end
end

-- Queue an attempt: as one that comes now, or in the place that it had.
function S.enqueue(scope)
  local task = scope.task
  S.unreserve(scope)
  task.phase, task.since = 'queued', now
  if (task.order or '') == '' then task.order = S.next_place(task.priority) end
  task.queue_at = tonumber(task.queue_ms) and now + task.queue_ms or ''
  S.put_in_queue(scope)
  S.arm_task(scope)
end

-- task: the fields of TASK that a write-set gives; body nil: a retry, with queue, priority and body of the one before.
function S.open_attempt(scope, task, body, requirements)
  if body then
    S.put(scope.key, 'b', body)
  else
    task.queue, task.priority = scope.last_queue, scope.last_priority
  end
  task.visit = scope.visit
  scope.task, scope.dirty = task, true
  if requirements then call('HSET', P .. 'qs', task.queue, requirements) end
  if scope.path ~= '/' then S.put(P .. 'o:' .. scope.job.id, task.id, scope.path) end
  local is_early = (tonumber(task.not_before) or 0) > now
  local worker = not is_early and (task.sticky or '') ~= '' and S.sticky_worker(task.sticky)
  if worker then S.reserve(scope, worker) end
  if is_early or worker then
    task.phase, task.since = 'delayed', now
    S.arm_task(scope)
  else
    S.enqueue(scope)
  end
end

function S.write_ended(task_id, record)
  local kept_ms = math.max(ENDED_KEPT_MS, (tonumber(record.live) or 0) - now)
  call('SET', P .. 'e:' .. task_id, S.pack(ENDED, record), 'PX', kept_ms)
end

-- live = leases of the job that a worker may still work under, those of dead attempts included.
function S.count_lease(job, change)
  job.live, job.dirty = (tonumber(job.live) or 0) + change, true
end

function S.leave_scope(scope)
  local task = scope.task
  S.unreserve(scope)
  if task.due_kind ~= '' then S.disarm(scope.job, 't', scope.ref) end
  if scope.path ~= '/' then S.put(P .. 'o:' .. scope.job.id, task.id, false) end
  scope.last_queue, scope.last_priority = task.queue, task.priority
  scope.task, scope.dirty = nil, true
  if task.noted == '1' then S.put(scope.key, 'p', false) end
end

-- The worker's result is used, or kept as mail: a repeat of it will be known.
function S.end_by_result(scope, hash)
  local task = scope.task
  S.leave_scope(scope)
  S.count_lease(scope.job, -1)
  call('DECR', P .. 'lc')
  S.write_ended(task.id, { why = 'result', hash = hash, worker = task.worker, path = scope.path,
    attempt = task.attempt, at = now })
end

-- The scope whose open attempt has this id.
function S.scope_of_attempt(job, task_id)
  local root = S.scope_of(job, '/')
  if root.task and root.task.id == task_id then return root end
  local path = call('HGET', P .. 'o:' .. job.id, task_id)
  return path and path ~= '!' and S.scope_of(job, path) or nil
end

function S.job_of_attempt(task_id)
  return S.job_of(string.match(task_id, '^[^-]*'))
end

-- Take away all that keeps a scope going.
function S.clear_waits(scope, why)
  if scope.task then S.kill(scope, why) end
  if tonumber(scope.timer) then
    S.disarm(scope.job, 'w', scope.ref)
    scope.timer, scope.dirty = '', true
  end
  if scope.waits == '1' then S.give_up_result(scope, S.field_of(scope.key, 'G')) end
  if scope.job.extras == '1' then S.drop_mailbox(scope.job, scope.path) end
  if scope.waits == '1' then S.stop_waiting(scope) end
end
