-- Read all live registrations; those whose time is over are removed on the way.
--
-- Returns {now, {worker, record, usage or false, …}}
--@include base

local workers = {}
for _, worker in ipairs(call('ZRANGEBYSCORE', P .. 'we', '-inf', now, 'LIMIT', 0, 1000)) do
  call('ZREM', P .. 'we', worker)
  call('HDEL', P .. 'w', worker)
  call('HDEL', P .. 'wu', worker)
end
for _, worker in ipairs(call('ZRANGEBYSCORE', P .. 'we', '(' .. now, '+inf')) do
  workers[#workers + 1] = worker
  workers[#workers + 1] = call('HGET', P .. 'w', worker)
  workers[#workers + 1] = call('HGET', P .. 'wu', worker)
end
return { now, workers }
