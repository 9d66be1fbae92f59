-- A job's status between its beginning and its end, and what waits aside while it is parked.

function S.set_aside(job, member)
  local at = call('ZSCORE', P .. 'd', member)
  if not at then return end
  call('ZREM', P .. 'd', member)
  call('ZADD', P .. 'pk:' .. job.id, at, member)
  job.aside, job.dirty = '1', true
end

function S.set_scope_aside(job, path)
  local ref, scope = job.id .. path, S.scope_of(job, path)
  if not scope then return S.set_aside(job, 'b' .. ref) end
  S.set_aside(job, 't' .. ref)
  S.set_aside(job, 'w' .. ref)
  if not S.next_mail(job, ref) then S.set_aside(job, 'm' .. ref) end
  if scope.task and scope.task.phase == 'queued' then
    S.unqueue(scope)
    S.put_in_queue(scope)
  end
end

-- The job has been parked: nothing of it is given out but its deadline and operators' mail.
function S.park(job)
  S.set_aside(job, 's' .. job.id)
  S.set_scope_aside(job, '/')
  for _, path in ipairs(call('ZRANGE', P .. 'x:' .. job.id, 0, -1)) do S.set_scope_aside(job, path) end
  if (tonumber(job.live) or 0) == 0 then return end
  for _, task_id in ipairs(call('HKEYS', P .. 'o:' .. job.id)) do S.set_aside(job, 'r' .. task_id) end
end

-- What was set aside comes back, with its old times and places.
function S.unpark(job)
  if job.aside ~= '1' then return end
  local key = P .. 'pk:' .. job.id
  local members = call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for place = 1, #members, 2 do
    local member = members[place]
    if string.sub(member, 1, 1) ~= 'q' then
      call('ZADD', P .. 'd', members[place + 1], member)
    else
      local _, path = S.split_ref(string.sub(member, 2))
      local scope = S.scope_of(job, path)
      if scope and scope.task then
        S.put_in_queue(scope)
        S.wake('q' .. scope.task.queue)
      end
    end
  end
  call('UNLINK', key)
  job.aside = ''
end

function S.set_status(job, word)
  local was_parked = S.is_parked(job)
  if word ~= job.status then S.move_index(job, word) end
  if word == 'compensating' and (job.compensation or '') == '' then job.compensation = job.seq end
  if word == 'open' then job.compensation, job.unwound = '', '' end
  if was_parked and not S.is_parked(job) then S.unpark(job) end
  if S.is_parked(job) and not was_parked then S.park(job) end
end
