-- Remove jobs whose retention is over, with all that is theirs, and programs that nothing needs.
--
-- Scopes that sweep has not come by yet go first, so many in a step; a job that has more of them leaves at a later trim.
--
-- ARGV  2 how many jobs at most
-- Returns {now, jobs that were removed}
--
-- pg  hash: digest → canonical form of a program       pa  sorted set by ms: when each was put last
--@include base
--@include records
--@include status
--@include paths
--@include counters
--@later tasks
--@later mail
--@later closing
--@later dead
--@later children

local CLEARED_MAX = 200
local PROGRAM_KEPT_MS = 30 * 86400000
local OWN_KEYS = { 'v:', 'u:', 'mi:', 'mc:', 'ks:', 'o:', 'x:', 'pk:' }

local left = CLEARED_MAX

local function is_clear(job)
  if call('ZCARD', P .. 'x:' .. job.id) == 0 then return true end
  job.is_ending = true
  local cleared, more = S.clear_behind(job, '/', S.closed_because(job, '/'), left)
  left = left - cleared
  return not more
end

local function remove(job)
  for _, key in ipairs(S.indexes(job)) do call('ZREM', key, job.id) end
  local fixed = S.fixed_of(job)
  if fixed.named ~= '' then call('HDEL', P .. 'ik', fixed.client .. '\n' .. fixed.named) end
  for digest in string.gmatch(fixed.digest .. ' ' .. (fixed.needs or ''), '%S+') do
    if call('HINCRBY', P .. 'pr', digest, -1) <= 0 then call('HDEL', P .. 'pr', digest) end
  end
  for _, fork in ipairs(call('SMEMBERS', P .. 'ks:' .. job.id)) do call('UNLINK', S.fork_key(job, fork)) end
  for _, kind in ipairs(OWN_KEYS) do S.forget(P .. kind .. job.id) end
  S.forget(job.key)
  jobs[job.id] = nil
end

local function remove_programs()
  for _, digest in ipairs(call('ZRANGEBYSCORE', P .. 'pa', '-inf', now - PROGRAM_KEPT_MS, 'LIMIT', 0, 100)) do
    if call('HEXISTS', P .. 'pr', digest) == 1 then
      call('ZADD', P .. 'pa', now, digest)
    else
      call('ZREM', P .. 'pa', digest)
      call('HDEL', P .. 'pg', digest)
    end
  end
end

local done = 0
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'rt', '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local job = S.job_of(id)
  if not job or is_clear(job) then
    if job then remove(job) end
    call('ZREM', P .. 'rt', id)
    done = done + 1
  end
end
remove_programs()
S.forget_counters(1000)
S.save()
return { S.told(), done }
