-- Attempts that end without a result: who still holds them, and what their workers are told.

function S.read_ended(task_id)
  local text = call('GET', P .. 'e:' .. task_id)
  local record = text and S.unpack_into({}, ENDED, text)
  if not record or (record.live == '' and tonumber(record.at) + ENDED_KEPT_MS <= now) then return nil end
  return record
end

-- How a result of an attempt that died of `why` is answered.
function S.how_dead(why)
  return (why == 'lease' or why == 'timeout') and 'lost' or 'closed'
end

-- The worker that held an attempt is named; its lease stays live until it speaks or the lease ends.
function S.outlive(scope, task, why)
  local job = scope.job
  local record = { why = why, worker = task.worker, path = scope.path, attempt = task.attempt, at = now }
  S.revoked[#S.revoked + 1] = task.id
  S.revoked[#S.revoked + 1] = task.worker
  call('DECR', P .. 'lc')
  if tonumber(task.lease_until) > now and not job.is_ending then
    record.live = task.lease_until
    S.note_extras(job)
    S.put(P .. 'o:' .. job.id, task.id, '!')
    S.arm(job, 'r', task.id, task.lease_until)
  else
    S.count_lease(job, -1)
  end
  S.write_ended(task.id, record)
end

-- A child goes on until it has ended: it counts as a live lease without an end.
local NO_END = '99999999999999'

function S.is_childs(record)
  return record.live == NO_END
end

function S.outlive_child(scope, task, why)
  local job = scope.job
  local record = { why = why, worker = task.worker, path = scope.path, attempt = task.attempt, at = now }
  if job.is_ending then
    S.count_lease(job, -1)
  else
    record.live = NO_END
    S.note_extras(job)
    S.put(P .. 'o:' .. job.id, task.id, '!')
  end
  S.write_ended(task.id, record)
  S.leave_child(task.worker, why)
end

-- End an attempt whose scope goes on without it. A worker that holds it is named, and its lease stays live.
function S.kill(scope, why)
  local task, job = scope.task, scope.job
  S.leave_scope(scope)
  if task.phase == 'leased' then
    S.outlive(scope, task, why)
  elseif task.phase == 'child' then
    S.outlive_child(scope, task, why)
  elseif task.phase == 'queued' then
    scope.task = task
    S.unqueue(scope)
    scope.task = nil
    if job.aside == '1' then call('ZREM', P .. 'pk:' .. job.id, 'q' .. scope.ref) end
  end
end

-- The lease of a dead attempt is over: its worker answered, gave it back, or fell silent.
function S.end_live_lease(job, task_id, record)
  if record.live == '' then return end
  record.live = ''
  S.write_ended(task_id, record)
  S.disarm(job, 'r', task_id)
  S.put(P .. 'o:' .. job.id, task_id, false)
  S.count_lease(job, -1)
end
