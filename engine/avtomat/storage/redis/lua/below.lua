-- Read how far a fork is, with some of its scopes that have begun and not ended.
--
-- ARGV  2 job, 3 fork, 4 how many scopes at most, 5 how many that are live below it are looked at
-- Returns {now, {FORK, {path, …}} or false}
--@include base
--@include records
--@include paths

local job, fork = S.job_of(ARGV[2]), ARGV[3]
local packed = job and not S.closed_because(job, fork) and call('HGET', S.fork_key(job, fork), 'm')
if not packed then return { now, false } end
local paths, low, high = {}, '[' .. fork .. '.', '(' .. fork .. '/'
for _, path in ipairs(call('ZRANGEBYLEX', P .. 'x:' .. job.id, low, high, 'LIMIT', 0, ARGV[5])) do
  if #paths == tonumber(ARGV[4]) then break end
  if S.split_path(path) == fork and call('EXISTS', S.scope_key(job, path)) == 1 then paths[#paths + 1] = path end
end
return { now, { packed, paths } }
