-- Replace shared records where they are the ones that the caller knows; see current.lua.
--
-- ARGV  2 the letter of the kind  3… name, record ('' removes), the record that it replaces ('' none), …
-- Returns {now, {name that has another record, …}}
--@include base

local records, refused = P .. ARGV[2] .. 'u', {}
for place = 3, #ARGV, 3 do
  if (call('HGET', records, ARGV[place]) or '') ~= ARGV[place + 2] then
    refused[#refused + 1] = ARGV[place]
  elseif ARGV[place + 1] == '' then
    call('HDEL', records, ARGV[place])
  else
    call('HSET', records, ARGV[place], ARGV[place + 1])
  end
end
if #refused < (#ARGV - 2) / 3 then call('INCR', P .. ARGV[2] .. 'n') end
return { now, refused }
