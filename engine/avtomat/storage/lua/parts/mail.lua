-- Mailboxes and signals: what comes from outside a scope waits here until the commit that names it as its cause.
--
-- mo:<ref>  sorted set: mail ids by arrival      mb:<ref>  hash: mail id → letter
-- mr:<ref>  hash: mail id → how often it was given out without an answer
-- mi:<job>  set: ids that were delivered from outside, as long as the job is kept
-- gx:<job>  set of the signals that were ever used; for each of them
-- gw:<job>:<signal>  sorted set: paths that wait, by arrival      gk:<job>:<signal>  the same: ids of kept ones
-- gb:<job>  hash: id → letter of a signal that is kept for the next waiter
--
-- A signal is <name> LF <key>. A letter is <kind> LF <kept until> LF <arrival> LF <name> LF <key> LF <body>; all but kind and
-- body are '' if it is no signal.

local MAIL_IDS_MAX = 10000
local SIGNAL_KEPT_MS = 86400000

function S.read_letter(text)
  local field = '([^\n]*)\n'
  local kind, kept_until, order, name, key, body = string.match(text, '^' .. string.rep(field, 5) .. '(.*)$')
  return { kind = kind, kept_until = tonumber(kept_until), order = order, signal = name .. '\n' .. key, body = body }
end

-- The oldest mail of a scope that may be given out now → id, letter; of a parked job operators' mail alone.
function S.letter_to_give(job, ref)
  local parked = S.is_parked(job)
  for _, id in ipairs(call('ZRANGE', P .. 'mo:' .. ref, 0, parked and -1 or 0)) do
    local letter = S.read_letter(call('HGET', P .. 'mb:' .. ref, id))
    if not parked or OPERATOR_MAIL[letter.kind] then return id, letter end
  end
  return nil
end

function S.arm_mailbox(job, ref)
  local id = S.is_parked(job) and S.letter_to_give(job, ref)
  if S.is_parked(job) then S.disarm(job, 'm', ref) end
  S.arm(job, 'm', ref, now, id)
end

-- The scope's member is due at once if this letter is what it would give out.
function S.put_letter(job, path, id, text)
  S.note_extras(job)
  S.mailed = 1
  local ref = job.id .. path
  call('ZADD', P .. 'mo:' .. ref, call('INCR', P .. 'n'), id)
  call('HSET', P .. 'mb:' .. ref, id, text)
  local is_next = call('ZCARD', P .. 'mo:' .. ref) == 1
  if is_next or (S.is_parked(job) and S.letter_to_give(job, ref) == id) then S.arm_mailbox(job, ref) end
end

function S.put_mail(job, path, id, kind, body)
  S.put_letter(job, path, id, table.concat({ kind, '', '', '', '', body }, '\n'))
end

-- The mail is answered; the next one of the scope is due at once.
function S.take_mail(job, path, id)
  local ref = job.id .. path
  call('ZREM', P .. 'mo:' .. ref, id)
  call('HDEL', P .. 'mb:' .. ref, id)
  call('HDEL', P .. 'mr:' .. ref, id)
  S.disarm(job, 'm', ref)
  if call('ZCARD', P .. 'mo:' .. ref) > 0 then S.arm_mailbox(job, ref) end
end

function S.drop_mailbox(job, path)
  local ref = job.id .. path
  if call('UNLINK', P .. 'mo:' .. ref, P .. 'mb:' .. ref, P .. 'mr:' .. ref) > 0 then S.disarm(job, 'm', ref) end
end

-- Give a signal to the one who has waited longest, or keep it for the next one.
function S.hand_over(job, id, text)
  local letter = S.read_letter(text)
  if letter.kept_until <= now then return end
  local waiting = call('ZRANGE', P .. 'gw:' .. job.id .. ':' .. letter.signal, 0, 0)
  if waiting[1] then
    call('ZREM', P .. 'gw:' .. job.id .. ':' .. letter.signal, waiting[1])
    S.put(S.scope_key(job, waiting[1]), 'g', false)
    S.put_letter(job, waiting[1], id, text)
  else
    call('SADD', P .. 'gx:' .. job.id, letter.signal)
    call('ZADD', P .. 'gk:' .. job.id .. ':' .. letter.signal, letter.order, id)
    call('HSET', P .. 'gb:' .. job.id, id, text)
  end
end

-- Take the oldest signal that is kept → id, letter; those whose time is over are dropped on the way.
function S.take_kept(job, signal)
  local key = P .. 'gk:' .. job.id .. ':' .. signal
  local first = call('ZRANGE', key, 0, 0)
  while first[1] do
    local text = call('HGET', P .. 'gb:' .. job.id, first[1])
    call('ZREM', key, first[1])
    call('HDEL', P .. 'gb:' .. job.id, first[1])
    if S.read_letter(text).kept_until > now then return first[1], text end
    first = call('ZRANGE', key, 0, 0)
  end
  return nil
end

-- Let a scope wait for a signal; one that has come already is mailed to it in this step. (STORE.md S7)
function S.wait_for(scope, signal)
  local job = scope.job
  S.note_extras(job)
  scope.waits, scope.dirty = '1', true
  local id, text = S.take_kept(job, signal)
  if id then return S.put_letter(job, scope.path, id, text) end
  call('SADD', P .. 'gx:' .. job.id, signal)
  call('ZADD', P .. 'gw:' .. job.id .. ':' .. signal, call('INCR', P .. 'n'), scope.path)
  S.put(scope.key, 'g', signal)
end

-- End a scope's wait. A signal that came for it and was not read goes to the next waiter.
function S.stop_waiting(scope)
  if scope.waits ~= '1' then return end
  local job, signal = scope.job, call('HGET', scope.key, 'g')
  scope.waits, scope.dirty = '', true
  if signal then call('ZREM', P .. 'gw:' .. job.id .. ':' .. signal, scope.path) end
  S.put(scope.key, 'g', false)
  for _, id in ipairs(call('ZRANGE', P .. 'mo:' .. scope.ref, 0, -1)) do
    local text = call('HGET', P .. 'mb:' .. scope.ref, id)
    if S.read_letter(text).kept_until then
      S.take_mail(job, scope.path, id)
      S.hand_over(job, id, text)
    end
  end
end

-- to: a path, or '' for a signal → ok | duplicate | closed | unknown | full
function S.deliver(job, to, name, key, id, kind, body)
  local ids, path = P .. 'mi:' .. job.id, to == '' and '/' or to
  if call('SISMEMBER', ids, id) == 1 then return 'duplicate' end
  if S.closed_because(job, path) then return 'closed' end
  if not S.scope_of(job, path) then return 'unknown' end
  if call('SCARD', ids) >= MAIL_IDS_MAX then return 'full' end
  call('SADD', ids, id)
  S.note_extras(job)
  if to == '' then
    S.hand_over(job, id, table.concat({ kind, now + SIGNAL_KEPT_MS, call('INCR', P .. 'n'), name, key, body }, '\n'))
  else
    S.put_mail(job, to, id, kind, body)
  end
  return 'ok'
end

-- Once a compensation, when no worker is at work for the job any more, the root is told.
function S.unwind(job)
  if job.status ~= 'compensating' or job.unwound == '1' or (tonumber(job.live) or 0) > 0 then return end
  job.unwound, job.dirty = '1', true
  S.put_mail(job, '/', 'unwind:' .. job.compensation, 'unwind', '')
end
