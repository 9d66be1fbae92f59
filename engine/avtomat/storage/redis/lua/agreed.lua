-- Read what replicas agree on under a topic, unless its number is the one that the caller knows.
--
-- ag:<topic>  hash: name → record           an:<topic>  the number, which moves with each change
--
-- ARGV  2 the topic, 3 the number that is known
-- Returns {now, number, {name, record, …}}
--@include base

local number = tonumber(call('GET', P .. 'an:' .. ARGV[2]) or 0)
if number == tonumber(ARGV[3]) then return { now, number, {} } end
return { now, number, call('HGETALL', P .. 'ag:' .. ARGV[2]) }
