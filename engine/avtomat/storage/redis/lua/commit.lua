-- Commit what a decision changes, if its cause still counts and the scope still has its version.
--
-- ARGV  2 job, 3 path, 4 version, 5–11 cause (see causes.lua), 12… the write-set
-- Returns {now, outcome, reason, version, seq, loaded or false, {path that may begin, …}, {task id, worker, …},
--         1 if mail was put into a mailbox}
--@include base
--@include records
--@include tasks
--@include status
--@include writes
--@include causes
--@later paths
--@later mail
--@later closing
--@later dead
--@later parking
--@later changes
--@later children
--@later beginning
--@later judging
--@later view

local job, path = S.job_of(ARGV[2]), ARGV[3]

local function answer(outcome, reason, view)
  S.save()
  return { now, outcome, reason, 0, 0, view, {}, {}, S.mailed }
end

if not job then return answer('unknown', '', false) end
local judged = S.judge(job, path)
if judged.refused then return answer(judged.refused, judged.reason, false) end
if S.is_parked(job) and not judged.passes_parked then
  if judged.scope then S.keep_result(job, path, judged) end
  S.mailed = 0
  return answer('parked', '', false)
end
local scope = S.scope_of(job, path)
if tostring(scope and scope.version or 0) ~= ARGV[4] then return answer('moved', '', S.loaded(job, path)) end

local words = S.cause_words(judged)
S.use_up(job, path, judged)
scope = scope or S.new_scope(job, path, S.scope_key(job, path))
S.apply(scope, S.read_writes(12, ARGV[11], #ARGV), words)
S.save()
return { S.told(), 'ok', '', scope.version, job.seq, false, S.begins, S.revoked, S.mailed }
