-- Begin a job: its head, its root scope (version 1), its task or timer, history entry 1, its indexes.
--
-- ARGV  at: its id, FIXED (packed), head, client LF key ('' none), deadline ('' none), start ('' none), search, the shared
--       part of the root's write-set (see writes.lua), the write-set … last
-- → the job, or the one that was there before; whether it is new
function S.begin_job(at, last)
  local id, named = ARGV[at], ARGV[at + 3]
  local existing = S.job_of(named ~= '' and call('HGET', P .. 'ik', named) or id)
  if existing then return existing, false end
  local writes = S.read_writes(at + 8, ARGV[at + 7], last)
  local job = { id = id, key = P .. 'j:' .. id, status = 'open', fixed = S.unpack_into({}, FIXED, ARGV[at + 1]) }
  job.created = math.min(tonumber(writes.scope[3]) or now, now)
  jobs[id] = job
  S.put(job.key, 'f', ARGV[at + 1])
  S.put(job.key, 'h', ARGV[at + 2])
  if ARGV[at + 6] ~= '' then S.put(job.key, 'x', ARGV[at + 6]) end
  if named ~= '' then S.put(P .. 'ik', named, id) end
  call('HINCRBY', P .. 'pr', job.fixed.digest, 1)
  for digest in string.gmatch(job.fixed.needs, '%S+') do call('HINCRBY', P .. 'pr', digest, 1) end
  call('SADD', P .. 'bp', job.fixed.blueprint)
  S.add_to_indexes(job)
  if ARGV[at + 4] ~= '' then S.set_deadline(job, ARGV[at + 4]) end
  if ARGV[at + 5] ~= '' then
    job.start = '1'
    S.arm(job, 's', id, ARGV[at + 5])
  end
  S.apply(S.new_scope(job, '/', job.key), writes, 'create')
  return job, true
end
