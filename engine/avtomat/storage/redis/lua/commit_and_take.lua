-- Commit what a decision changes, and take attempts for the worker whose result was the cause, in the same step;
-- nothing is taken when the scope moved, for then the commit comes again. See parts/committing.lua and parts/taking.lua.
--
-- ARGV  2 job, 3 path, 4 version, 5–11 cause (see causes.lua), 12 worker, 13 nonce ('' none), 14 how many at most,
--       15 lease in ms, 16 strides, 17 1: with reserved ones, 18 how many queues, 19… the queues, then the write-set
-- Returns {now, outcome, reason, version, seq, loaded or false, {path that may begin, …}, {task id, worker, …},
--         1 if mail was put into a mailbox, {{t (TASK), body, loaded or false, job, path}, …}}
--@include base
--@include records
--@include tasks
--@include status
--@include writes
--@include causes
--@include committing
--@include view
--@include taking
--@later paths
--@later mail
--@later closing
--@later dead
--@later parking
--@later changes
--@later children
--@later beginning
--@later judging

local last = 18 + ARGV[18]
local outcome, reason, view, scope = S.commit(last + 1)
S.save()
local handouts = {}
if outcome ~= 'moved' then
  handouts = S.take_attempts(12, 19, last)
  S.save()
end
return { S.told(), outcome, reason, scope and scope.version or 0, scope and scope.job.seq or 0, view, S.begins,
  S.revoked, S.mailed, handouts }
