-- Forget post that was delivered.
--
-- ARGV  2… mail ids
-- Returns {now}
--@include base

for place = 2, #ARGV do
  call('ZREM', P .. 'po', ARGV[place])
  call('HDEL', P .. 'pb', ARGV[place])
end
return { now }
