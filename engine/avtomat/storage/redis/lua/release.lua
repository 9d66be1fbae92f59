-- Give attempts back unworked: to their place in the queue, with the same attempt number.
--
-- ARGV  2 worker, 3… task ids of this partition
-- Returns {now}
--@include base
--@include records
--@include tasks
--@later dead
--@later mail

local worker = ARGV[2]

local function give_back(scope)
  local task = scope.task
  task.worker, task.nonce, task.lease_until, task.attempt_at, task.span = '', '', '', '', ''
  if task.noted == '1' then S.put(scope.key, 'p', false) end
  task.noted = ''
  S.count_lease(scope.job, -1)
  call('DECR', P .. 'lc')
  S.enqueue(scope)
  S.unwind(scope.job)
end

for place = 3, #ARGV do
  local task_id = ARGV[place]
  local job = S.job_of_attempt(task_id)
  local scope = job and S.scope_of_attempt(job, task_id)
  local task = scope and scope.task
  if task and task.phase == 'leased' and task.worker == worker then
    give_back(scope)
  elseif job and not scope then
    local record = S.read_ended(task_id)
    if record and record.worker == worker and record.why ~= 'result' and not S.is_childs(record) then
      S.end_live_lease(job, task_id, record)
      S.unwind(job)
    end
  end
end
S.save()
return { S.told() }
