-- Keep the last progress note of an attempt that this worker holds.
--
-- ARGV  2 worker, 3 task id, 4 note
-- Returns {now, 1 or 0}
--@include base
--@include records
--@include tasks

local job = S.job_of_attempt(ARGV[3])
local scope = job and S.scope_of_attempt(job, ARGV[3])
if not scope or scope.task.phase ~= 'leased' or scope.task.worker ~= ARGV[2] then return { now, 0 } end
S.put(scope.key, 'p', ARGV[4])
scope.task.noted, scope.dirty = '1', true
S.save()
return { now, 1 }
