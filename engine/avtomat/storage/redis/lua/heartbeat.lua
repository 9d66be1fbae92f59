-- Extend the leases of attempts that a worker holds; tell which of the attempts that it names are dead.
--
-- ARGV  2 worker, 3 lease in ms, 4… task ids of this partition
-- Returns {now, {task id that is dead, …}}
--@include base
--@include records
--@include tasks
--@later dead

local worker, dead = ARGV[2], {}

local function extend(scope)
  local task = scope.task
  local span_ms = tonumber(task.lease_ms) and task.lease_ms or ARGV[3]
  task.lease_until = math.max(tonumber(task.lease_until), now + span_ms)
  S.arm_task(scope)
end

local function is_dead(task_id)
  local record = S.read_ended(task_id)
  return record and record.why ~= 'result' and record.worker == worker and not S.is_childs(record)
end

for place = 4, #ARGV do
  local task_id = ARGV[place]
  local job = S.job_of_attempt(task_id)
  local scope = job and S.scope_of_attempt(job, task_id)
  if scope and scope.task.phase == 'leased' and scope.task.worker == worker then
    extend(scope)
  elseif is_dead(task_id) then
    dead[#dead + 1] = task_id
  end
end
S.save()
return { now, dead }
