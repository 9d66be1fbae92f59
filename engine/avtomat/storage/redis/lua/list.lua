-- Read a page of jobs, newest first, of this partition.
--
-- ARGV  2 client, 3 status, 4 blueprint ('' does not filter), 5 how many, 6 created and 7 job of the row before ('' none),
--       8 the job that began them ('' does not filter, '-' none)
-- Returns {now, {row, …}}
--@include base
--@include records
--@include rows

local client, status, blueprint, limit = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local before_ms, before_job = ARGV[6], ARGV[7]
local CHUNK = 100

local parent = ARGV[8]
local of_job = parent ~= '' and parent ~= '-'

-- Of jobs (`i`), or of those that a job began (`k`), the indexes that hold what is asked for: a client's, a blueprint's (of
-- both the shorter one), or those of all blueprints.
local function add_indexes(keys, family, word)
  local of_client = P .. family .. 'c:' .. word .. ':' .. client
  local of_blueprint = P .. family .. 'b:' .. word .. ':' .. blueprint
  if client ~= '' and blueprint ~= '' then
    keys[#keys + 1] = call('ZCARD', of_client) < call('ZCARD', of_blueprint) and of_client or of_blueprint
  elseif client ~= '' then
    keys[#keys + 1] = of_client
  else
    local names = blueprint ~= '' and { blueprint } or call('SMEMBERS', P .. 'bp')
    for _, name in ipairs(names) do keys[#keys + 1] = P .. family .. 'b:' .. word .. ':' .. name end
  end
end

local function indexes(word)
  if of_job then return { P .. 'kp:' .. word .. ':' .. parent } end
  local keys = {}
  add_indexes(keys, 'i', word)
  if parent == '' then add_indexes(keys, 'k', word) end
  return keys
end

local function belongs(id, created)
  if created == before_ms and id >= before_job then return false end
  if not of_job and (client == '' or blueprint == '') then return true end
  if client == '' and blueprint == '' then return true end
  local fixed = S.fixed_of(S.job_of(id))
  return (client == '' or fixed.client == client) and (blueprint == '' or fixed.blueprint == blueprint)
end

local function collect(key, found)
  local max, offset, taken = before_ms ~= '' and before_ms or '+inf', 0, 0
  repeat
    local chunk = call('ZREVRANGEBYSCORE', key, max, '-inf', 'WITHSCORES', 'LIMIT', offset, CHUNK)
    for place = 1, #chunk, 2 do
      if taken < limit and belongs(chunk[place], chunk[place + 1]) then
        taken = taken + 1
        found[#found + 1] = { id = chunk[place], created = tonumber(chunk[place + 1]) }
      end
    end
    offset = offset + CHUNK
  until taken >= limit or #chunk < 2 * CHUNK
end

local found = {}
for _, word in ipairs(STATUSES) do
  if status == '' or status == word then
    for _, key in ipairs(indexes(word)) do collect(key, found) end
  end
end
table.sort(found, function(a, b)
  if a.created ~= b.created then return a.created > b.created end
  return a.id > b.id
end)

local rows = {}
for place = 1, math.min(limit, #found) do rows[place] = S.row(S.job_of(found[place].id), false) end
return { now, rows }
