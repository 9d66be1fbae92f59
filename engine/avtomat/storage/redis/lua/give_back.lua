-- Give back what was taken from a counter and not used.
--
-- ARGV  2 client and period, 3 how much
-- Returns {now}
--@include base

local till, taken = call('ZSCORE', P .. 'ce', ARGV[2]), call('HGET', P .. 'ct', ARGV[2])
if taken and till and tonumber(till) > now then
  call('HSET', P .. 'ct', ARGV[2], math.max(0, taken - tonumber(ARGV[3])))
end
return { now }
