-- Forget entries of history that a database has.
--
-- ARGV  2 the last position that it has
-- Returns {now}
--@include base

repeat
  local entries = call('XRANGE', P .. 'out', '-', ARGV[2], 'COUNT', 500)
  for _, entry in ipairs(entries) do call('XDEL', P .. 'out', entry[1]) end
until #entries == 0
return { now }
