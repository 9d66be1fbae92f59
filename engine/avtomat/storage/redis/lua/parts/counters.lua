-- What clients have taken in a period.
--
-- ct  hash: client, line feed, period → what is taken      ce  sorted set by ms: when each ends

function S.forget_counters(limit)
  local ended = call('ZRANGEBYSCORE', P .. 'ce', '-inf', now, 'LIMIT', 0, limit)
  if #ended == 0 then return end
  call('HDEL', P .. 'ct', unpack(ended))
  call('ZREM', P .. 'ce', unpack(ended))
end
