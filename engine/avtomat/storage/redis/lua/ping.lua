-- Find out whether the store can be written.
--
-- Returns {now}
--@include base

call('SET', P .. 'ping', now)
return { now }
