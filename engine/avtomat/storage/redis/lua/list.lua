-- Read a page of jobs, newest first, of this partition.
--
-- ARGV  2 client, 3 status, 4 blueprint ('' does not filter), 5 how many, 6 created and 7 job of the row before ('' none)
-- Returns {now, {row, …}}
--@include base
--@include records
--@include rows

local client, status, blueprint, limit = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local before_ms, before_job = ARGV[6], ARGV[7]
local CHUNK = 100

-- The indexes that hold what is asked for: a client's, a blueprint's (of both the shorter one), or those of all
-- blueprints.
local function indexes(word)
  local of_client, of_blueprint = P .. 'ic:' .. word .. ':' .. client, P .. 'ib:' .. word .. ':' .. blueprint
  if client ~= '' and blueprint ~= '' then
    return { call('ZCARD', of_client) < call('ZCARD', of_blueprint) and of_client or of_blueprint }
  end
  if client ~= '' then return { of_client } end
  local keys, names = {}, blueprint ~= '' and { blueprint } or call('SMEMBERS', P .. 'bp')
  for place, name in ipairs(names) do keys[place] = P .. 'ib:' .. word .. ':' .. name end
  return keys
end

local function belongs(id, created)
  if created == before_ms and id >= before_job then return false end
  if client == '' or blueprint == '' then return true end
  local fixed = S.fixed_of(S.job_of(id))
  return fixed.client == client and fixed.blueprint == blueprint
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
