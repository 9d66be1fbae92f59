-- Causes other than a result that counts.

local LIMIT_FIELDS = { queue = 'queue_at', attempt = 'attempt_at', total = 'total_at', lease = 'lease_until' }
local LETTERS = { timer = 'w', begin = 'b', deadline = 'd', start = 's' }

-- The cause that was given out comes back at once.
function S.give_back(job, path, kind)
  S.arm(job, LETTERS[kind] or 't', S.member_ref(job, path, kind), now)
end

function S.judge_ended(job, path, worker, hash)
  local record = S.read_ended(ARGV[6])
  if not record or record.path ~= path then return S.refused('unknown') end
  if record.why == 'result' then
    return S.refused(record.hash == hash and record.worker == worker and 'duplicate' or 'mismatch')
  end
  if record.worker ~= worker then return S.refused('mismatch') end
  local left = ARGV[5] == 'success' and record.live ~= '' and call('HGET', P .. 'lf:' .. job.id, ARGV[6])
  if left then
    record.why, record.hash, record.at = 'result', hash, now
    S.mail_late(job, ARGV[6], left, S.whole(ARGV[9], ARGV[10], ARGV[11]))
  end
  S.end_live_lease(job, ARGV[6], record)
  S.unwind(job)
  if left then return S.refused('late') end
  return S.refused(S.how_dead(record.why), record.why)
end

-- The scope of an attempt is behind a fence, and only `sweep` has not come by yet.
function S.judge_unswept(job, scope, why)
  if ARGV[5] ~= 'success' or scope.task.undoable ~= '1' or ENDED_WORDS[job.status] then
    return S.refused(S.how_dead(why), why)
  end
  S.mail_late(job, ARGV[6], S.packed_left(scope), S.whole(ARGV[9], ARGV[10], ARGV[11]))
  S.end_by_result(scope, ARGV[8])
  S.unwind(job)
  return S.refused('late')
end

function S.judge_mail(job, path)
  local text = call('HGET', P .. 'mb:' .. job.id .. path, ARGV[6])
  if not text or S.closed_because(job, path) then return S.refused('unknown') end
  local kind = S.read_letter(text).kind
  return { letter = ARGV[6], letter_kind = kind, passes_parked = OPERATOR_MAIL[kind] }
end

-- The member that was given out; `begin` is known from the commit that made it, too.
function S.is_given(job, path, kind, number)
  local scope, letter = S.scope_of(job, path), LETTERS[kind]
  if LIMIT_FIELDS[kind] then
    local task = scope and scope.task
    return task and task.due_kind == kind and task.attempt == number and S.was_given('t', job.id .. path)
  elseif kind == 'begin' then
    return number == '0' and S.is_armed(job, 'b', job.id .. path)
  elseif kind == 'timer' then
    return scope and tonumber(scope.timer) and scope.timer_visit == number and S.was_given('w', job.id .. path)
  end
  return letter and path == '/' and number == '0' and S.was_given(letter, job.id)
end

function S.judge_due(job, path)
  if not S.is_given(job, path, ARGV[6], ARGV[7]) or S.closed_because(job, path) then return S.refused('unknown') end
  return { member = ARGV[6], passes_parked = ARGV[6] == 'deadline' }
end

function S.member_ref(job, path, kind)
  return (kind == 'deadline' or kind == 'start') and job.id or job.id .. path
end

-- Of an attempt that stays open the next limit counts; a lease comes back.
function S.pass_limit(job, path, kind)
  if LETTERS[kind] then
    if kind == 'timer' then
      local scope = S.scope_of(job, path)
      scope.timer, scope.dirty = '', true
    end
    if kind == 'start' then job.start, job.dirty = '', true end
    return S.disarm(job, LETTERS[kind], S.member_ref(job, path, kind))
  end
  local scope = S.scope_of(job, path)
  if kind ~= 'lease' then scope.task[LIMIT_FIELDS[kind]] = '' end
  S.arm_task(scope)
end

-- The worker may be told that its result is accepted: it waits as mail until the job goes on.
function S.keep_result(job, path, judged)
  local scope, id = judged.scope, 'result:' .. ARGV[6]
  local kind = ARGV[5] == 'success' and scope.task.undoable == '1' and 'effect' or 'result'
  S.end_by_result(scope, ARGV[8])
  S.put_mail(job, path, id, kind, S.whole(ARGV[9], ARGV[10], ARGV[11]))
  scope.waits, scope.dirty = '1', true
  S.put(scope.key, 'G', id)
end
