-- Replace records of what is current where they are the ones that the caller knows; see current.lua.
--
-- ARGV  2… name, record, the record that it replaces ('' none), …
-- Returns {now, {name that has another record, …}}
--@include base

local refused = {}
for place = 2, #ARGV, 3 do
  if (call('HGET', P .. 'cu', ARGV[place]) or '') == ARGV[place + 2] then
    call('HSET', P .. 'cu', ARGV[place], ARGV[place + 1])
  else
    refused[#refused + 1] = ARGV[place]
  end
end
if #refused < (#ARGV - 1) / 3 then call('INCR', P .. 'cn') end
return { now, refused }
