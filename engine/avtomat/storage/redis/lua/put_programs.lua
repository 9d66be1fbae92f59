-- Keep canonical forms of programs by digest; a repeat only says that they are still asked for.
--
-- ARGV  2… digest, canonical form, …
-- Returns {now}
--@include base

for place = 2, #ARGV, 2 do
  call('HSETNX', P .. 'pg', ARGV[place], ARGV[place + 1])
  call('ZADD', P .. 'pa', now, ARGV[place])
end
return { now }
