-- Read one key whole, whatever its type, for a dump.
--
-- ARGV  2 key
-- Returns {now, flat content}: a hash as field, value, …; a sorted set as member, score, …; a text alone
--@include base

local READ = {
  hash = function(key) return call('HGETALL', key) end,
  zset = function(key) return call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  set = function(key) return call('SMEMBERS', key) end,
  list = function(key) return call('LRANGE', key, 0, -1) end,
  string = function(key) return { call('GET', key) } end,
}

local read = READ[call('TYPE', ARGV[2]).ok]
return { now, read and read(ARGV[2]) or {} }
