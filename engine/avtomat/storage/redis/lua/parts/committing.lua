-- Commit what a decision changes, if its cause still counts and the scope still has its version.
--
-- ARGV  2 job, 3 path, 4 version, 5–11 cause (see causes.lua), from `first` on the write-set
-- Returns outcome, reason, loaded or false, the scope if it was written

function S.commit(first)
  local job, path = S.job_of(ARGV[2]), ARGV[3]
  if not job then return 'unknown', '', false end
  local judged = S.judge(job, path)
  if judged.refused then return judged.refused, judged.reason, false end
  if S.is_parked(job) and not judged.passes_parked then
    if judged.scope then S.keep_result(job, path, judged) end
    S.mailed = 0
    return 'parked', '', false
  end
  local scope = S.scope_of(job, path)
  if tostring(scope and scope.version or 0) ~= ARGV[4] then return 'moved', '', S.loaded(job, path) end

  local words = S.cause_words(judged)
  S.use_up(job, path, judged)
  scope = scope or S.new_scope(job, path, S.scope_key(job, path))
  S.apply(scope, S.read_writes(first, ARGV[11], #ARGV), words)
  return 'ok', '', false, scope
end
