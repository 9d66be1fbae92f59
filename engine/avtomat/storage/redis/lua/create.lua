-- Create a job.
--
-- ARGV  2… the job, as S.begin_job takes it
-- Returns {now, job, body_hash, {path that may begin, …}, 1 if mail was put into a mailbox}; another job, or the same one, if it was there before.
--
-- ik  hash: <client> LF <key> → job        pr  hash: digest of a program → jobs that are kept
--@include base
--@include records
--@include tasks
--@include status
--@include writes
--@include beginning
--@later paths
--@later mail
--@later closing
--@later dead
--@later parking
--@later changes
--@later children

local job, is_fresh = S.begin_job(2, #ARGV)
if not is_fresh then return { now, job.id, S.fixed_of(job).body_hash, {}, 0 } end
S.save()
return { S.told(), job.id, job.fixed.body_hash, S.begins, S.mailed }
