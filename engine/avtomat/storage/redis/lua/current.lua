-- Read the shared records of a kind, unless their number is the one that the caller knows.
--
-- cu  hash: name of a blueprint → its record           cn  the number, which moves with each change
-- su  hash: name of a schedule → its record            sn  likewise
--
-- ARGV  2 the letter of the kind (c, s)  3 the number that is known
-- Returns {now, number, {name, record, …}}
--@include base

local number = tonumber(call('GET', P .. ARGV[2] .. 'n') or 0)
if number == tonumber(ARGV[3]) then return { now, number, {} } end
return { now, number, call('HGETALL', P .. ARGV[2] .. 'u') }
