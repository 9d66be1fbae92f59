-- Read entries of a job's history, oldest first.
--
-- ARGV  2 job, 3 after which seq, 4 how many at most
-- Returns {now, {<at> LF <path> LF <cause> LF <record>, …}}
--@include base
--@include records

local job, entries = S.job_of(ARGV[2]), {}
local from = tonumber(ARGV[3]) + 1
local till = math.min(job and tonumber(job.seq) or 0, from - 1 + tonumber(ARGV[4]))
for seq = from, till do entries[#entries + 1] = call('HGET', job.key, seq) or nil end
return { now, entries }
