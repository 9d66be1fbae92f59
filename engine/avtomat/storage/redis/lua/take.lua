-- Take from what is left of a counter.
--
-- ARGV  2 client and period, 3 how much at most, 4 what can be taken in all, 5 when the counter ends
-- Returns {now, granted, taken in all}
--@include base
--@include counters

local name, till = ARGV[2], tonumber(ARGV[5])
if till <= now then return { now, 0, 0 } end
S.forget_counters(10)
local taken = tonumber(call('HGET', P .. 'ct', name) or 0)
local granted = math.max(0, math.min(tonumber(ARGV[3]), tonumber(ARGV[4]) - taken))
if granted > 0 then call('HSET', P .. 'ct', name, taken + granted) end
call('ZADD', P .. 'ce', till, name)
return { now, granted, taken + granted }
