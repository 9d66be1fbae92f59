-- Read a scope with what is needed to decide for it.
--
-- ARGV  2 job, 3 path, 4 task id ('' none: then the path counts)
-- Returns {now, loaded or false}
--@include base
--@include records
--@include tasks
--@include view
--@later paths
--@later dead

local job, path, task_id = S.job_of(ARGV[2]), ARGV[3], ARGV[4]

local function path_of_attempt()
  local scope = S.scope_of_attempt(job, task_id)
  local record = not scope and S.read_ended(task_id)
  return scope and scope.path or record and record.path
end

local function may_begin()
  local fork, index = S.split_path(path)
  local total = fork and string.match(call('HGET', S.fork_key(job, fork), 'm') or '', '^%d+')
  return total and tonumber(index) < tonumber(total) and not S.closed_because(job, fork)
end

local known
if job and task_id ~= '' then
  path = path_of_attempt()
  known = path
elseif job then
  known = S.scope_of(job, path) or may_begin()
end
return { now, known and S.loaded(job, path) or false }
