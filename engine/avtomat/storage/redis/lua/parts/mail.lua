-- Mailboxes and signals: what comes from outside a scope waits here until the commit that names it as its cause.
--
-- mo:<ref>  sorted set: mail ids by arrival, but for operators' mail      mp:<ref>  the same: operators' mail
-- mb:<ref>  hash: mail id → letter
-- mr:<ref>  hash: mail id → how often it was given out without an answer
-- mi:<job>  set: ids that were delivered from outside, as long as the job is kept
-- mc:<job>  hash: how many of them count together: `signal`, `signal <sender>`, `operator`, `cancel`
-- gw:<job>  sorted set, all of score 0: <signal> LF <arrival> LF <path> of those that wait
-- gk:<job>  the same: <signal> LF <kept until> LF <arrival> LF <id> of signals that are kept for the next waiter
-- gb:<job>  hash: id → letter of a signal that is kept
--
-- A signal is <name> LF <key>. Numbers have 16 digits there, so that the first one of a signal is its oldest. Of a
-- scope that waits g is <signal> LF <arrival>, G the id of the signal that was handed to it, or of the result of its attempt
-- that it has kept. A letter is
-- <kind> LF <kept until> LF <arrival> LF <name> LF <key> LF <body>; all but kind and body are '' if it is no signal.

local SIGNAL_IDS_MAX, SENDER_IDS_MAX, OPERATOR_IDS_MAX = 10000, 5000, 1000
local SIGNAL_KEPT_MS = 86400000

function S.read_letter(text)
  local field = '([^\n]*)\n'
  local kind, kept_until, order, name, key, body = string.match(text, '^' .. string.rep(field, 5) .. '(.*)$')
  return { kind = kind, kept_until = tonumber(kept_until), order = order, signal = name .. '\n' .. key, body = body }
end

local function first_of(key)
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[1], tonumber(first[2])
end

-- The oldest mail of a scope that may be given out now; of a parked job operators' mail alone.
function S.next_mail(job, ref)
  local operators, asked = first_of(P .. 'mp:' .. ref)
  if S.is_parked(job) then return operators end
  local other, arrived = first_of(P .. 'mo:' .. ref)
  return other and (not operators or arrived < asked) and other or operators
end

function S.letter_to_give(job, ref)
  local id = S.next_mail(job, ref)
  return id, S.read_letter(call('HGET', P .. 'mb:' .. ref, id))
end

function S.mail_waiting(ref)
  return call('ZCARD', P .. 'mo:' .. ref) + call('ZCARD', P .. 'mp:' .. ref)
end

function S.arm_mailbox(job, ref)
  local id = S.is_parked(job) and S.next_mail(job, ref)
  if S.is_parked(job) then S.disarm(job, 'm', ref) end
  S.arm(job, 'm', ref, now, id)
end

-- The scope's member is due at once if this letter is what it would give out.
function S.put_letter(job, path, id, kind, text)
  S.note_extras(job)
  S.mailed = 1
  local ref, is_operators = job.id .. path, OPERATOR_MAIL[kind]
  call('ZADD', P .. (is_operators and 'mp:' or 'mo:') .. ref, call('INCR', P .. 'n'), id)
  call('HSET', P .. 'mb:' .. ref, id, text)
  local is_next = is_operators and S.is_parked(job) and S.next_mail(job, ref) == id
  if is_next or S.mail_waiting(ref) == 1 then S.arm_mailbox(job, ref) end
end

function S.put_mail(job, path, id, kind, body)
  S.put_letter(job, path, id, kind, table.concat({ kind, '', '', '', '', body }, '\n'))
end

-- The mail is answered; the next one of the scope is due at once.
function S.take_mail(job, path, id)
  local ref = job.id .. path
  if call('ZREM', P .. 'mo:' .. ref, id) == 0 then call('ZREM', P .. 'mp:' .. ref, id) end
  call('HDEL', P .. 'mb:' .. ref, id)
  call('HDEL', P .. 'mr:' .. ref, id)
  S.disarm(job, 'm', ref)
  if S.mail_waiting(ref) > 0 then S.arm_mailbox(job, ref) end
end

function S.drop_mailbox(job, path)
  local ref = job.id .. path
  local keys = { P .. 'mo:' .. ref, P .. 'mp:' .. ref, P .. 'mb:' .. ref, P .. 'mr:' .. ref }
  if call('UNLINK', unpack(keys)) > 0 then S.disarm(job, 'm', ref) end
end

local function digits(number)
  return string.format('%016d', number)
end

-- The oldest of a signal's members from a place on → what it says at its end, the whole member.
local function oldest_of(key, signal, from)
  local member = call('ZRANGEBYLEX', key, '[' .. signal .. '\n' .. from, '(' .. signal .. '\11', 'LIMIT', 0, 1)[1]
  return member and string.match(member, '[^\n]*$'), member
end

local function hand_to(job, path, id, text)
  local key = S.scope_key(job, path)
  S.put(key, 'g', false)
  S.put(key, 'G', id)
  S.put_letter(job, path, id, S.read_letter(text).kind, text)
end

-- Give a signal to the one who has waited longest, or keep it for the next one.
function S.hand_over(job, id, text)
  local letter = S.read_letter(text)
  if letter.kept_until <= now then return end
  local path, waiter = oldest_of(P .. 'gw:' .. job.id, letter.signal, '')
  if path then
    call('ZREM', P .. 'gw:' .. job.id, waiter)
    hand_to(job, path, id, text)
  else
    local place = { letter.signal, digits(letter.kept_until), digits(letter.order), id }
    call('ZADD', P .. 'gk:' .. job.id, 0, table.concat(place, '\n'))
    call('HSET', P .. 'gb:' .. job.id, id, text)
  end
end

-- Take the oldest signal that is kept and whose time is not over → id, letter.
function S.take_kept(job, signal)
  local kept, letters = P .. 'gk:' .. job.id, P .. 'gb:' .. job.id
  local id, member = oldest_of(kept, signal, digits(now + 1))
  if not id then return nil end
  local text = call('HGET', letters, id)
  call('ZREM', kept, member)
  call('HDEL', letters, id)
  return id, text
end

-- Let a scope wait for a signal; one that has come already is mailed to it in this step, and its timer is gone.
function S.wait_for(scope, signal)
  local job = scope.job
  S.note_extras(job)
  scope.waits, scope.dirty = '1', true
  local id, text = S.take_kept(job, signal)
  if id then
    if tonumber(scope.timer) then S.disarm(job, 'w', scope.ref) end
    scope.timer = ''
    return hand_to(job, scope.path, id, text)
  end
  local waits = signal .. '\n' .. digits(call('INCR', P .. 'n'))
  call('ZADD', P .. 'gw:' .. job.id, 0, waits .. '\n' .. scope.path)
  S.put(scope.key, 'g', waits)
end

-- Take away the result of its attempt that a scope of a parked job has kept as mail `id`: it goes on without it, or is
-- closed. If what the attempt did counts for its undo, the root is mailed.
function S.give_up_result(scope, id, settled)
  local text = id and string.find(id, '^result:') and call('HGET', P .. 'mb:' .. scope.ref, id)
  if not text then return false end
  local job, letter = scope.job, S.read_letter(text)
  S.take_mail(job, scope.path, id)
  if letter.kind == 'effect' and not settled and not job.is_ending then
    S.mail_late(job, string.sub(id, #'result:' + 1), S.packed_left(scope), letter.body)
  end
  return true
end

-- End a scope's wait. A signal that came for it and was not read goes to the next waiter.
function S.stop_waiting(scope, settled)
  if scope.waits ~= '1' then return end
  local job, waits, id = scope.job, S.field_of(scope.key, 'g'), S.field_of(scope.key, 'G')
  scope.waits, scope.dirty = '', true
  if waits then call('ZREM', P .. 'gw:' .. job.id, waits .. '\n' .. scope.path) end
  S.put(scope.key, 'g', false)
  S.put(scope.key, 'G', false)
  if S.give_up_result(scope, id, settled) then return end
  local text = id and call('HGET', P .. 'mb:' .. scope.ref, id)
  if text then
    S.take_mail(job, scope.path, id)
    S.hand_over(job, id, text)
  end
end

-- What mail counts as, and how many ids of it a job remembers; mail of the engine itself is not counted.
local function counted_as(to, kind, sender)
  if to == '' then return { { 'signal', SIGNAL_IDS_MAX }, { 'signal ' .. sender, SENDER_IDS_MAX } } end
  if not OPERATOR_MAIL[kind] then return {} end
  return { { kind == 'cancel' and kind or 'operator', OPERATOR_IDS_MAX } }
end

-- Remember an id, if there is room for it.
local function remember(job, id, counted)
  local counts = P .. 'mc:' .. job.id
  for _, each in ipairs(counted) do
    if tonumber(call('HGET', counts, each[1]) or 0) >= each[2] then return false end
  end
  for _, each in ipairs(counted) do call('HINCRBY', counts, each[1], 1) end
  call('SADD', P .. 'mi:' .. job.id, id)
  return true
end

-- Operators' mail that changed nothing gives its room back.
function S.forget_in_vain(job, id, kind)
  if not OPERATOR_MAIL[kind] or call('SREM', P .. 'mi:' .. job.id, id) == 0 then return end
  for _, each in ipairs(counted_as('/', kind)) do call('HINCRBY', P .. 'mc:' .. job.id, each[1], -1) end
end

local function is_known(job, path, id, kind)
  if call('SISMEMBER', P .. 'mi:' .. job.id, id) == 1 then return true end
  return kind == 'cancel' and call('HEXISTS', P .. 'mb:' .. job.id .. path, id) == 1
end

-- to: a path, or '' for a signal → ok | duplicate | closed | unknown | full
function S.deliver(job, to, name, key, id, kind, sender, body)
  local path = to == '' and '/' or to
  if is_known(job, path, id, kind) then return 'duplicate' end
  if S.closed_because(job, path) then return 'closed' end
  if not S.scope_of(job, path) then return 'unknown' end
  if not remember(job, id, counted_as(to, kind, sender)) and kind ~= 'cancel' then return 'full' end
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
