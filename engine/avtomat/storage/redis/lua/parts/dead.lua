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

-- The scope as it was before this step, in one piece (rules.packed_left).
function S.packed_left(scope)
  local record, environment = call('HGET', scope.key, 's'), nil
  if scope.path ~= '/' then environment = call('HGET', S.fork_key(scope.job, (S.split_path(scope.path))), 'e') end
  local line = table.concat({ scope.path, scope.was or scope.version, #record, environment and #environment or -1 }, ' ')
  return line .. '\n' .. record .. (environment or '')
end

-- An attempt took effect whose scope had gone on without it, or is closed: mail the root.
function S.mail_late(job, task_id, left, event)
  S.put_mail(job, '/', 'late:' .. task_id, 'late', left .. event)
end

-- The worker that held an attempt is named; its lease stays live until it speaks or the lease ends. `settled`: a success
-- of it does not count any more.
function S.outlive(scope, task, why, settled)
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
    if task.undoable == '1' and not settled then S.put(P .. 'lf:' .. job.id, task.id, S.packed_left(scope)) end
  else
    S.count_lease(job, -1)
  end
  S.write_ended(task.id, record)
end

-- End an attempt whose scope goes on without it. A worker that holds it is named, and its lease stays live.
function S.kill(scope, why, settled)
  local task, job = scope.task, scope.job
  S.leave_scope(scope)
  if task.phase == 'leased' then
    S.outlive(scope, task, why, settled)
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
  S.put(P .. 'lf:' .. job.id, task_id, false)
  S.count_lease(job, -1)
end
