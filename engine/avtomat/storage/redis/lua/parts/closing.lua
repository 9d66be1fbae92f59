-- Forks, joins and closings: scopes below scopes.
--
-- k:<job><fork>  hash: m (FORK), e environment, and for each index that has ended: `1<output>` or `0` (no output)
-- ks:<job>       set of the forks that were begun
-- sw             sorted set by ms: closings that were too large for one step: <job> LF <fence> LF <because>

local FORK = { 'total', 'need', 'tolerated', 'window', 'live', 'next', 'ok', 'failed', 'verdict' }
local CLOSE_AT_ONCE_MAX = 200

local forks = {}

function S.fork_of(job, path)
  local key = S.fork_key(job, path)
  if forks[key] then return forks[key] end
  local fork = S.unpack_into({ key = key, path = path }, FORK, call('HGET', key, 'm'))
  for place = 1, #FORK - 1 do fork[FORK[place]] = tonumber(fork[FORK[place]]) end
  forks[key] = fork
  return fork
end

function S.begin_next(job, fork)
  while fork.live < math.max(1, fork.window) and fork.next < fork.total do
    local path = fork.path .. '.' .. fork.next
    fork.live, fork.next = fork.live + 1, fork.next + 1
    call('ZADD', P .. 'x:' .. job.id, 0, path)
    S.arm(job, 'b', job.id .. path, now)
    S.begins[#S.begins + 1] = path
  end
end

function S.verdict_of(fork)
  if fork.failed > fork.tolerated then return 'broken' end
  if fork.ok >= fork.need or fork.ok + fork.failed == fork.total then return 'met' end
  return ''
end

-- Write the verdict, once, when there is one, and mail it to the scope that forked; else let the next ones begin.
function S.go_on(job, fork, parent, index, err)
  if fork.verdict == '' then
    fork.verdict = S.verdict_of(fork)
    if fork.verdict == '' then
      S.begin_next(job, fork)
    else
      if fork.verdict == 'met' then err = '' end
      local body = table.concat({ fork.verdict, fork.ok, fork.failed, index }, ' ') .. '\n' .. err
      S.put_mail(job, parent, 'join:' .. string.match(fork.path, '[^/]*$'), 'join', body)
    end
  end
  S.put(fork.key, 'm', S.pack(FORK, fork))
end

function S.start_fork(scope, number, total, need, tolerated, window, environment)
  local job, path = scope.job, S.fork_path(scope.path, number)
  local fork = { key = S.fork_key(job, path), path = path, live = 0, next = 0, ok = 0, failed = 0, verdict = '',
    total = tonumber(total), need = tonumber(need), tolerated = tonumber(tolerated), window = tonumber(window) }
  if call('SADD', P .. 'ks:' .. job.id, path) == 0 then return error(path .. ' has forked before') end
  forks[fork.key] = fork
  S.note_extras(job)
  scope.forks, scope.dirty = (scope.forks or '') .. number .. ' ', true
  S.put(fork.key, 'e', environment)
  S.go_on(job, fork, scope.path, -1, '')
end

-- A scope below the root has ended: count it at its join.
function S.count_end(job, path, ok, output, err)
  local above, index = S.split_path(path)
  local fork = S.fork_of(job, above)
  local result = ok and 'ok' or 'failed'
  fork.live, fork[result] = fork.live - 1, fork[result] + 1
  S.put(fork.key, index, output and '1' .. output or '0')
  local parent = string.match(above, '^(.*)/[^/]*$')
  S.go_on(job, fork, parent == '' and '/' or parent, index, err)
end

function S.forget_scope(job, path, scope)
  for number in string.gmatch(scope and scope.forks or '', '%d+') do
    local fork = S.fork_path(path, number)
    S.forget(S.fork_key(job, fork))
    call('SREM', P .. 'ks:' .. job.id, fork)
  end
  S.forget(S.scope_key(job, path))
  scopes[job.id .. path] = false
  call('ZREM', P .. 'x:' .. job.id, path)
end

-- Take away all that keeps a scope below the root going; what never began, never will.
function S.clear_scope(job, path, why)
  local scope = S.scope_of(job, path)
  if scope then S.clear_waits(scope, why) else S.disarm(job, 'b', job.id .. path) end
  S.forget_scope(job, path, scope)
end

-- Live paths that a fence covers, the last first, at most `limit`: what lies below a scope comes before it.
function S.live_behind(job, fence, limit)
  local key = P .. 'x:' .. job.id
  if fence == '/' then return call('ZREVRANGEBYLEX', key, '+', '-', 'LIMIT', 0, limit) end
  local is_scope = S.split_path(fence)
  local low, high = is_scope and '/' or '.', is_scope and '0' or '/'
  local paths = call('ZREVRANGEBYLEX', key, '(' .. fence .. high, '[' .. fence .. low, 'LIMIT', 0, limit)
  if #paths < limit and is_scope and call('ZSCORE', key, fence) then paths[#paths + 1] = fence end
  return paths
end

-- Clear what a fence covers, at most `limit` scopes → how many were cleared, whether some may be left.
function S.clear_behind(job, fence, why, limit)
  local paths = S.live_behind(job, fence, limit)
  for place = 1, math.min(#paths, limit) do S.clear_scope(job, paths[place], why) end
  return math.min(#paths, limit), #paths >= limit
end

-- Close a scope or a fork for ever: the fence counts at once for all that it covers.
function S.close(job, fence, why)
  local _, more = S.clear_behind(job, fence, why, CLOSE_AT_ONCE_MAX)
  if more then call('ZADD', P .. 'sw', now, table.concat({ job.id, fence, why }, '\n')) end
  return more
end
