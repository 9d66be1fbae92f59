-- Answer a piece of mail, or a due member that changes nothing. What only a commit can answer stays.
--
-- ARGV  2 job, 3 path, 4 –, 5–11 cause (see causes.lua)
-- Returns {now}
--@include base
--@include records
--@include tasks
--@include causes
--@later paths
--@later mail
--@later dead
--@later judging

local STAYS = { lease = true, begin = true, start = true }

local job, path = S.job_of(ARGV[2]), ARGV[3]
if job and not STAYS[ARGV[6]] then
  local judged = S.judge(job, path)
  if not judged.refused then S.use_up(job, path, judged) end
  if judged.letter then S.forget_in_vain(job, judged.letter, judged.letter_kind) end
end
S.save()
return { S.told() }
