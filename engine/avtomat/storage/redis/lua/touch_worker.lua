-- Renew a worker's registration.
--
-- ARGV  2 worker, 3 ms to live, 4 usage ('' none)
-- Returns {now, record or false}
--@include base

local till = call('ZSCORE', P .. 'we', ARGV[2])
if not till or tonumber(till) <= now then return { now, false } end
call('ZADD', P .. 'we', now + ARGV[3], ARGV[2])
if ARGV[4] ~= '' then call('HSET', P .. 'wu', ARGV[2], ARGV[4]) end
return { now, call('HGET', P .. 'w', ARGV[2]) }
