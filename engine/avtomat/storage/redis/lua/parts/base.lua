-- What every script begins with: the clock, packed records, changes that wait to be written, wake-ups.
--
-- KEYS[1]  the partition's prefix, `av:{p}:`; every key that a script touches begins with it
-- ARGV[1]  ms that are added to the server's clock (tests turn it); `,outbox` after it if a database keeps history; then
--          `@` and what a step of priority counts in ms; then `;` and the replica that calls
--
-- A packed record is a text of fields in a fixed order, each ended by a line feed; '' is "none". Names that the store
-- packs hold no line feed (the store refuses them at its door). What users wrote is never packed, parsed or decoded.
-- Numbers stay below 1e14, so that Lua writes them as integers.

-- Functions are fields of S, not locals: making a closure costs a walk over all locals that closures share, and all of
-- them are made anew by each call of a script.

local P, call, S = KEYS[1], redis.call, {}

-- What most steps never need is made when a function of it is first called: parts that are included as `later`.
local later = {}

setmetatable(S, { __index = function(functions, name)
  local parts = later
  later = {}
  for place = 1, #parts do parts[place]() end
  return rawget(functions, name)
end })

-- What the answer of the step tells: paths that may begin, attempts that workers held (task id, worker, …), and 1 if mail
-- was put into a mailbox.
S.begins, S.revoked, S.mailed = {}, {}, 0

function S.server_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = S.server_ms() + tonumber(string.match(ARGV[1], '^-?%d+'))

function S.pack(names, record)
  local fields = {}
  for place = 1, #names do fields[place] = record[names[place]] or '' end
  fields[#names + 1] = ''
  return table.concat(fields, '\n')
end

-- A text that came without the part that several have in common: `places` (`12,40`; '' none) are those where it stood.
function S.whole(text, places, shared)
  if places == '' then return text end
  local pieces, from = {}, 1
  for place in string.gmatch(places, '%d+') do
    pieces[#pieces + 1] = string.sub(text, from, place)
    pieces[#pieces + 1] = shared
    from = place + 1
  end
  pieces[#pieces + 1] = string.sub(text, from)
  return table.concat(pieces)
end

function S.unpack_into(record, names, text)
  local place = 0
  for field in string.gmatch(text, '([^\n]*)\n') do
    place = place + 1
    record[names[place]] = field
  end
  return record
end

-- Changes of hashes are collected and written by `save`: one HSET a hash, whatever the number of changes. false drops.
local changes = {}

function S.put(key, field, value)
  local fields = changes[key]
  if not fields then
    fields = {}
    changes[key] = fields
  end
  fields[field] = value
end

function S.forget(key)
  changes[key] = nil
  call('UNLINK', key)
end

function S.write_fields(key, fields)
  local set, drop = {}, {}
  for field, value in pairs(fields) do
    if value then
      set[#set + 1] = field
      set[#set + 1] = value
    else
      drop[#drop + 1] = field
    end
  end
  for from = 1, #set, 1000 do call('HSET', key, unpack(set, from, math.min(from + 999, #set))) end
  for from = 1, #drop, 1000 do call('HDEL', key, unpack(drop, from, math.min(from + 999, #drop))) end
end

-- Messages to all replicas: `q<queue>` has work, `j<job>` has another status, something is reserved for `r<worker>`; each
-- once a step.
local woken = {}

function S.wake(word)
  if not woken[word] then
    woken[word] = true
    woken[#woken + 1] = word
  end
end

-- What this step was about to say of it holds no longer.
function S.wake_not(word)
  if not woken[word] then return end
  woken[word] = nil
  for place = 1, #woken do
    if woken[place] == word then
      table.remove(woken, place)
      return
    end
  end
end

-- What the answer of a step begins with: the time, and after it the messages, if there are any. They are sent now; with
-- each goes who caused it, for that replica knows them by this answer, and need not hear itself.
function S.told()
  if #woken == 0 then return now end
  local replica, told = string.match(ARGV[1], ';.*') or ';', { now }
  for place = 1, #woken do
    told[place + 1] = woken[place]
    call('PUBLISH', P .. 'wake', woken[place] .. '\n' .. replica)
  end
  return told
end
