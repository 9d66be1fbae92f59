-- Read post for other partitions, oldest first.
--
-- ARGV  2 how many at most
-- Returns {now, {packed post, …}}
--@include base

local ids = call('ZRANGE', P .. 'po', 0, ARGV[2] - 1)
return { now, #ids > 0 and call('HMGET', P .. 'pb', unpack(ids)) or {} }
