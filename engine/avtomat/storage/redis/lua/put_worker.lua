-- Keep a worker's registration until it was not renewed for a while.
--
-- ARGV  2 worker, 3 ms to live, 4 record
-- Returns {now}
--
-- w  hash: worker → record      wu  hash: worker → what it said of its load      we  sorted set by ms: until when
--@include base

call('HSET', P .. 'w', ARGV[2], ARGV[4])
call('HDEL', P .. 'wu', ARGV[2])
call('ZADD', P .. 'we', now + ARGV[3], ARGV[2])
return { now }
