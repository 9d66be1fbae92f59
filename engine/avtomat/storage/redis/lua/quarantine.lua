-- Park a job without a decision: what cannot be decided, or was given out too often without an answer.
--
-- ARGV  2 job, 3 path, 4 –, 5–11 cause (see causes.lua), 12 reason, 13 history record
-- Returns {now, 1 if it was parked, 0 if there is no such open job}
--@include base
--@include records
--@include tasks
--@include status
--@include causes
--@later paths
--@later mail
--@later dead
--@later parking
--@later judging

local job, path = S.job_of(ARGV[2]), ARGV[3]
if not job or ENDED_WORDS[job.status] then return { now, 0 } end
local judged = ARGV[5] ~= '' and S.judge(job, path) or S.refused('unknown')
if job.status ~= 'quarantined' then
  S.write_history(job, path, 'quarantine', ARGV[13])
  S.put(job.key, 'r', ARGV[12])
  S.set_status(job, 'quarantined')
end

-- The cause is kept until the job goes on; one that parked jobs are given, too, is used up.
if judged.scope then
  S.keep_result(job, path, judged)
elseif judged.passes_parked then
  S.use_up(job, path, judged)
elseif judged.letter then
  call('HDEL', P .. 'mr:' .. job.id .. path, judged.letter)
  S.arm_mailbox(job, job.id .. path)
elseif judged.member then
  S.give_back(job, path, judged.member)
end
S.save()
return { S.told(), 1 }
