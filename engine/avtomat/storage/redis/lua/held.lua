-- Read the dead attempts of a job whose leases are live.
--
-- ARGV  2 job
-- Returns {now, {{task id, worker, lease until (0: a child)}, …}}
--@include base
--@include records
--@later dead

local held, job = {}, S.job_of(ARGV[2])
local attempts = job and call('HGETALL', P .. 'o:' .. job.id) or {}
for place = 1, #attempts, 2 do
  local record = attempts[place + 1] == '!' and S.read_ended(attempts[place])
  if record and record.live ~= '' then held[#held + 1] = { attempts[place], record.worker, S.is_childs(record) and 0 or record.live } end
end
return { now, held }
