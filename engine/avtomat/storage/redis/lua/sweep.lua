-- Do the rest of closings that were too large for one step.
--
-- ARGV  2 how many scopes at most
-- Returns {now, scopes that were cleared}
--@include base
--@include records
--@include tasks
--@include mail
--@include closing
--@include paths
--@include dead
--@later children

local left, done = tonumber(ARGV[2]), 0
for _, member in ipairs(call('ZRANGE', P .. 'sw', 0, 9)) do
  local id, fence, why = string.match(member, '^([^\n]*)\n([^\n]*)\n(.*)$')
  local job = id and S.job_of(id)
  local cleared, more = 0, false
  if job then
    job.is_ending = ENDED_WORDS[job.status]
    cleared, more = S.clear_behind(job, fence, why, left)
  end
  if not more then call('ZREM', P .. 'sw', member) end
  left, done = left - cleared, done + cleared
  if left <= 0 then break end
end
S.save()
return { S.told(), done }
