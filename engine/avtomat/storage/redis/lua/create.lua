-- Create a job: its head, its root scope (version 1), its task or timer, history entry 1, its indexes.
--
-- ARGV  2 job, 3 FIXED (packed), 4 head, 5 client LF key ('' none), 6 deadline ('' none), 7 start ('' none), 8 search,
--       9 the shared part of the root's write-set (see writes.lua), 10… the write-set
-- Returns {now, job, body_hash, {path that may begin, …}, 1 if mail was put into a mailbox}; another job, or the same one, if it was there before.
--
-- ik  hash: <client> LF <key> → job        pr  hash: digest of a program → jobs that are kept
--@include base
--@include records
--@include tasks
--@include status
--@include writes
--@later paths
--@later mail
--@later closing
--@later dead
--@later parking
--@later changes

local id, named = ARGV[2], ARGV[5]
local existing = S.job_of(named ~= '' and call('HGET', P .. 'ik', named) or id)
if existing then return { now, existing.id, S.fixed_of(existing).body_hash, {}, 0 } end

local writes = S.read_writes(10, ARGV[9])
local job = { id = id, key = P .. 'j:' .. id, status = 'open', fixed = S.unpack_into({}, FIXED, ARGV[3]) }
job.created = math.min(tonumber(writes.scope[3]) or now, now)
jobs[id] = job
S.put(job.key, 'f', ARGV[3])
S.put(job.key, 'h', ARGV[4])
if ARGV[8] ~= '' then S.put(job.key, 'x', ARGV[8]) end
if named ~= '' then S.put(P .. 'ik', named, id) end
call('HINCRBY', P .. 'pr', job.fixed.digest, 1)
call('SADD', P .. 'bp', job.fixed.blueprint)
S.add_to_indexes(job)
if ARGV[6] ~= '' then S.set_deadline(job, ARGV[6]) end
if ARGV[7] ~= '' then
  job.start = '1'
  S.arm(job, 's', id, ARGV[7])
end
S.apply(S.new_scope(job, '/', job.key), writes, 'create')
S.save()
return { S.told(), id, job.fixed.body_hash, S.begins, S.mailed }
