-- Jobs that a commit begins, and children: how their end gets up, and their parent's word down.
--
-- A child names the attempt that it answers (FIXED); of the attempt, it is the worker.

-- Begin the jobs of a write-set. What may begin of them is due; the answer of the step tells of its own job alone.
function S.begin_jobs(begun)
  local begins = S.begins
  for _, place in ipairs(begun) do
    S.begins = {}
    S.begin_job(place[1], place[2])
  end
  S.begins = begins
end

-- What a job leaves, whole; see output_at in writes.lua.
local function left_by(writes)
  if writes.error then return writes.error[1] end
  if writes.output_at then return S.whole(writes.output_at[1], writes.output_at[2], writes.shared) end
  return S.first(writes.output) or ''
end

local function scope_of_child(job, task_id)
  local root = S.scope_of(job, '/')
  if root.task and root.task.id == task_id then return root end
  local path = S.field_of(P .. 'o:' .. job.id, task_id)
  return path and path ~= '!' and S.scope_of(job, path) or nil
end

-- A job has ended that answers an attempt: that is the attempt's result, if it is still open.
function S.child_ended(child, task_id, writes)
  local job = S.job_of_attempt(task_id)
  if not job or ENDED_WORDS[job.status] then return end
  local scope = scope_of_child(job, task_id)
  local record = not scope and S.read_ended(task_id)
  if scope and scope.path ~= '/' and S.closed_because(job, scope.path) then
    S.leave_scope(scope)  -- sweep has not come by yet
    S.count_lease(job, -1)
  elseif scope then
    S.end_by_result(scope, '')
    local body = writes.finish[2] .. ' ' .. child.id .. '\n' .. left_by(writes)
    S.put_mail(job, scope.path, 'child:' .. task_id, 'child', body)
  elseif record then
    S.end_live_lease(job, task_id, record)
  end
  S.unwind(job)
end

-- Nobody waits for this job any more (rules.left_mail).
function S.leave_child(id, why)
  local child, mailed = S.job_of(id), S.mailed
  if not child then return end
  local declined = why == 'declined'
  local body = '{"by":"parent","reason":"its parent goes on without it","compensate":' .. tostring(not declined) .. '}'
  S.deliver(child, '/', '', '', 'parent:' .. (declined and 'declined' or 'left'), 'cancel', '', body)
  S.mailed = mailed
end

-- The same for those that were told before that nobody waits for them.
function S.decline_children(job)
  if (tonumber(job.live) or 0) == 0 then return end
  local attempts = call('HGETALL', P .. 'o:' .. job.id)
  for place = 1, #attempts, 2 do
    local record = attempts[place + 1] == '!' and S.read_ended(attempts[place])
    if record and S.is_childs(record) then S.leave_child(record.worker, 'declined') end
  end
end
