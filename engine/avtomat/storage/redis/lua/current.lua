-- Read what is current, unless its number is the one that the caller knows.
--
-- cu  hash: name of a blueprint → its record           cn  the number, which moves with each change
--
-- ARGV  2 the number that is known
-- Returns {now, number, {name, record, …}}
--@include base

local number = tonumber(call('GET', P .. 'cn') or 0)
if number == tonumber(ARGV[2]) then return { now, number, {} } end
return { now, number, call('HGETALL', P .. 'cu') }
