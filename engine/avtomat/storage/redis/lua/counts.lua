-- Count what is there, for metrics and doctors.
--
-- Returns {now, {name, count, …}, {queue that holds tasks and asks something of workers, requirements, …}}
--@include base

local counts, asking = {}, {}

local function add(name, count)
  counts[#counts + 1] = name
  counts[#counts + 1] = count
end

local blueprints = call('SMEMBERS', P .. 'bp')
for _, status in ipairs({ 'open', 'paused', 'quarantined', 'compensating', 'finishing' }) do
  local count = 0
  for _, name in ipairs(blueprints) do
    local index = ':' .. status .. ':' .. name
    count = count + call('ZCARD', P .. 'ib' .. index) + call('ZCARD', P .. 'kb' .. index)
  end
  add(status, count)
end
add('leases', tonumber(call('GET', P .. 'lc') or 0))
add('due', call('ZCARD', P .. 'd'))
add('outbox', call('XLEN', P .. 'out'))
local queues = call('HGETALL', P .. 'qs')
for place = 1, #queues, 2 do
  local length = 0
  for _, client in ipairs(call('SMEMBERS', P .. 'qc:' .. queues[place])) do
    length = length + call('ZCARD', P .. 'q:' .. queues[place] .. '\n' .. client)
  end
  if length > 0 then
    add('queue:' .. queues[place], length)
    if queues[place + 1] ~= '' then
      asking[#asking + 1] = queues[place]
      asking[#asking + 1] = queues[place + 1]
    end
  end
end
return { now, counts, asking }
