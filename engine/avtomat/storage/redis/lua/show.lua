-- Read one job with its open tasks, by its id or by an idempotency key.
--
-- ARGV  2 job ('' by key), 3 client LF key
-- Returns {now, row or false}
--@include base
--@include records
--@include rows

local id = ARGV[2] ~= '' and ARGV[2] or call('HGET', P .. 'ik', ARGV[3])
local job = id and S.job_of(id)
return { now, job and S.row(job, true) or false }
