-- Take attempts out of queues; each gets a lease in this step. See parts/taking.lua.
--
-- ARGV  2 worker, 3 nonce ('' none), 4 how many at most, 5 lease in ms, 6 strides (client LF stride LF, …),
--       7 1: those that are reserved for this worker come first, 8… queues
-- Returns {now, {{t (TASK), body, loaded or false, job, path}, …}}
--@include base
--@include records
--@include tasks
--@include view
--@include taking
--@later paths

local handouts = S.take_attempts(2, 8, #ARGV)
S.save()
return { S.told(), handouts }
