-- When the earliest member is due.
--
-- Returns {now, ms or false}
--@include base

local earliest = call('ZRANGE', P .. 'd', 0, 0, 'WITHSCORES')
return { now, earliest[2] and tonumber(earliest[2]) or false }
