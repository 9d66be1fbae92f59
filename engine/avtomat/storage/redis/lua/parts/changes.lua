-- What few write-sets change: the head, undos, post; and what few jobs leave behind at their end.
--
-- u:<job>  sorted set by seq: undos that have not run, <seq> LF <undo>        po, pb  sorted set and hash: post for other partitions

function S.set_deadline(job, at)
  job.deadline, job.dirty = at == '0' and '' or at, true
  if at == '0' then S.disarm(job, 'd', job.id) else S.arm(job, 'd', job.id, at) end
end

function S.change_head(job, writes)
  if writes.status then S.set_status(job, writes.status[1]) end
  if writes.status or writes.reason then S.put(job.key, 'r', S.first(writes.reason) or false) end
  if writes.deadline then S.set_deadline(job, writes.deadline[1]) end
  if writes.search then S.put(job.key, 'x', writes.search[1]) end
  if writes.labels then S.put(job.key, 'l', writes.labels[1]) end
end

function S.record_undo(job, writes)
  local key, undone = P .. 'u:' .. job.id, S.first(writes.undone)
  if undone then call('ZREMRANGEBYSCORE', key, undone, undone) end
  if writes.undo then
    S.note_extras(job)
    call('ZADD', key, job.seq, job.seq .. '\n' .. writes.undo[1])
  end
end

function S.drop_extras(job, more_below)
  if not more_below then S.forget(P .. 'o:' .. job.id) end
  for _, kind in ipairs({ 'gw:', 'gk:', 'gb:', 'u:', 'pk:', 'lf:' }) do call('UNLINK', P .. kind .. job.id) end
end

-- Nobody asks any more whether a worker of an ended job is at work.
function S.drop_leases(job)
  local attempts = call('HGETALL', P .. 'o:' .. job.id)
  for place = 1, #attempts, 2 do
    local record = attempts[place + 1] == '!' and S.read_ended(attempts[place])
    if record then S.end_live_lease(job, attempts[place], record) end
  end
end

function S.send_post(writes)
  for _, post in ipairs(writes.post) do
    local job = S.job_of(post[1])
    if job then S.deliver(job, unpack(post, 2)) end
  end
  for _, carry in ipairs(writes.carry) do
    call('ZADD', P .. 'po', 'NX', call('INCR', P .. 'n'), carry[1])
    call('HSETNX', P .. 'pb', carry[1], carry[2])
  end
end
