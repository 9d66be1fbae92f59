-- Causes: does this one still count, and what is used up with the commit that it causes.
--
-- ARGV 5–10 hold it: `result` (`success` if the worker did what it was asked) task id, worker, hash, event (in two: see S.whole) | `mail` id | `due` kind, number |
-- '' none; ARGV 11 holds the shared part of the write-set

function S.refused(outcome, reason)
  return { refused = outcome, reason = reason or '' }
end

function S.judge_result(job, path)
  local worker, hash = ARGV[7], ARGV[8]
  local scope = S.scope_of_attempt(job, ARGV[6])
  if not scope then return S.judge_ended(job, path, worker, hash) end
  if scope.path ~= path then return S.refused('unknown') end
  if scope.task.phase ~= 'leased' then return S.refused('lost', 'released') end
  if scope.task.worker ~= worker then return S.refused('mismatch') end
  local why = path ~= '/' and S.closed_because(job, path)
  if why then return S.judge_unswept(job, scope, why) end
  return { scope = scope }
end

S.judge_success = S.judge_result

function S.judge(job, path)
  return S['judge_' .. ARGV[5]](job, path)
end

function S.use_up(job, path, judged)
  if judged.letter then
    S.take_mail(job, path, judged.letter)
  elseif judged.member then
    S.pass_limit(job, path, judged.member)
  elseif judged.scope then
    S.end_by_result(judged.scope, ARGV[8])
  end
end

-- For people and for history: `result 1`, `timer 4`, `mail <id>`.
function S.cause_words(judged)
  if judged.member then return ARGV[6] .. ' ' .. ARGV[7] end
  if judged.scope then return 'result ' .. judged.scope.task.attempt end
  return ARGV[5] .. ' ' .. ARGV[6]
end
