-- Put mail into a mailbox, or hand it to the waiter of a signal.
--
-- ARGV  2 job, 3 path ('' for a signal), 4 its name, 5 its key, 6 id, 7 kind, 8 sender, 9 body
-- Returns {now, ok | duplicate | closed | full | unknown}
--@include base
--@include records
--@include mail
--@include paths
--@later tasks

local job = S.job_of(ARGV[2])
local answer = job and S.deliver(job, unpack(ARGV, 3, 9)) or 'unknown'
S.save()
return { S.told(), answer }
