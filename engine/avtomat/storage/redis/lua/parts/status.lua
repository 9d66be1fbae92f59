-- What a job is listed under, and its history.
--
-- out  stream: entries of history on their way to a database: job, seq, entry
-- ic:<status>:<client>, ib:<status>:<blueprint>   sorted sets by created: jobs, for listings;   bp  set of blueprints
-- kc:, kb:  the same of jobs that a job began;   kp:<status>:<parent>  and by that job

function S.indexes(job)
  local fixed = S.fixed_of(job)
  if fixed.parent ~= '' then
    local of_client, of_blueprint = 'kc:' .. job.status .. ':' .. fixed.client, 'kb:' .. job.status .. ':' .. fixed.blueprint
    return { P .. of_client, P .. of_blueprint, P .. 'kp:' .. job.status .. ':' .. fixed.parent }
  end
  return { P .. 'ic:' .. job.status .. ':' .. fixed.client, P .. 'ib:' .. job.status .. ':' .. fixed.blueprint }
end

function S.add_to_indexes(job)
  for _, key in ipairs(S.indexes(job)) do call('ZADD', key, job.created, job.id) end
end

function S.move_index(job, word)
  for _, key in ipairs(S.indexes(job)) do call('ZREM', key, job.id) end
  job.status, job.dirty = word, true
  S.add_to_indexes(job)
  S.wake('j' .. job.id)
end

function S.write_history(job, path, cause, record, at_ms)
  local at = math.min(tonumber(at_ms) or now, now)
  job.seq = (tonumber(job.seq) or 0) + 1
  job.updated, job.dirty = math.max(at, tonumber(job.updated) or 0), true
  local entry = table.concat({ job.updated, path, cause, record }, '\n')
  if string.find(ARGV[1], 'outbox', 1, true) then
    call('XADD', P .. 'out', '*', 'job', job.id, 'seq', job.seq, 'entry', entry)
  else
    S.put(job.key, job.seq, entry)
  end
end
