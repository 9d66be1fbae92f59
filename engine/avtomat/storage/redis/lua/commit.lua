-- Commit what a decision changes; see parts/committing.lua.
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
--@include committing
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

local outcome, reason, view, scope = S.commit(12)
S.save()
return { S.told(), outcome, reason, scope and scope.version or 0, scope and scope.job.seq or 0, view, S.begins,
  S.revoked, S.mailed }
