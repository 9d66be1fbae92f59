-- Replace records of a topic where they are the ones that the caller knows; see agreed.lua.
--
-- ARGV  2 the topic, 3… name, record ('' none: it is taken away), the record that it replaces ('' none), …
-- Returns {now, {name that has another record, …}}
--@include base

local key, refused = P .. 'ag:' .. ARGV[2], {}
for place = 3, #ARGV, 3 do
  if (call('HGET', key, ARGV[place]) or '') ~= ARGV[place + 2] then
    refused[#refused + 1] = ARGV[place]
  elseif ARGV[place + 1] == '' then
    call('HDEL', key, ARGV[place])
  else
    call('HSET', key, ARGV[place], ARGV[place + 1])
  end
end
if #refused < (#ARGV - 2) / 3 then call('INCR', P .. 'an:' .. ARGV[2]) end
return { now, refused }
