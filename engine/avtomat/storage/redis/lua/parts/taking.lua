-- Take attempts out of queues, by their places over all of them; each gets a lease in this step. Of a queue for which
-- several clients wait, the first attempt of the one whose turn it is counts (rules.whose_turn).
--
-- n:<worker> LF <nonce>  text: the refs that were given out under it, LF after each

local OF_QUEUE, STRIDE, RESERVED_LOOKED_AT = '\n', 1000000, 200

local function handout(scope)
  return { S.pack(TASK, scope.task), call('HGET', scope.key, 'b') or '', S.loaded_if_small(scope.job, scope.path),
    scope.job.id, scope.path }
end

-- What is still leased under this nonce: the answer to its first use was lost.
local function taken_before(worker, nonce, nonce_key)
  local taken = {}
  local refs = nonce ~= '' and call('GET', nonce_key) or ''
  for ref in string.gmatch(refs, '([^\n]*)\n') do
    local id, path = S.split_ref(ref)
    local job = S.job_of(id)
    local scope = job and S.scope_of(job, path)
    local task = scope and scope.task
    if task and task.phase == 'leased' and task.worker == worker and task.nonce == nonce then
      taken[#taken + 1] = scope
    end
  end
  table.sort(taken, function(a, b) return tonumber(a.task.order) < tonumber(b.task.order) end)
  for place = 1, #taken do taken[place] = handout(taken[place]) end
  return taken
end

local function scope_of_ref(ref)
  local id, path = S.split_ref(ref)
  local job = id and S.job_of(id)
  local scope = job and S.scope_of(job, path)
  if scope and scope.task and scope.task.phase == 'queued' and (path == '/' or not S.closed_because(job, path)) then
    return scope
  end
end

-- Find the first attempt of a client. Of several clients none counts whose attempts are all closed and not yet swept.
local function look(line, client)
  local key = P .. 'q:' .. line.queue .. '\n' .. client
  while true do
    local head = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if not head[1] then
      call('SREM', P .. 'qc:' .. line.queue, client)
      if line.heads[client] then line.heads[client], line.count = nil, line.count - 1 end
      return
    end
    if line.is_alone or string.sub(head[1], -1) == '/' or scope_of_ref(head[1]) then
      if not line.heads[client] then line.count = line.count + 1 end
      line.heads[client] = { ref = head[1], place = tonumber(head[2]), key = key }
      return
    end
    call('ZREM', key, head[1])
  end
end

local function turns_of(line)
  if not line.turns then
    local fields = call('HGETALL', P .. 'qt:' .. line.queue)
    line.turns = {}
    for place = 1, #fields, 2 do line.turns[fields[place]] = tonumber(fields[place + 1]) end
  end
  return line.turns
end

-- How far on a client is that waits with others.
local function turn_of(line, client)
  local turns = turns_of(line)
  return math.max(turns[client] or 0, turns[OF_QUEUE] or 0)
end

local function next_client(line)
  local best, best_turn
  for client, head in pairs(line.heads) do
    if line.count == 1 then return client end
    local turn = turn_of(line, client)
    if not best or turn < best_turn or (turn == best_turn and head.place < line.heads[best].place) then
      best, best_turn = client, turn
    end
  end
  return best
end

-- The queue that comes next, and the client whose attempt it is.
local function first_of(lines)
  local best, best_client
  for place = 1, #lines do
    local line = lines[place]
    local client = next_client(line)
    if client and (not best or line.heads[client].place < best.heads[best_client].place) then
      best, best_client = line, client
    end
  end
  return best, best_client
end

local function move_on(line, client, strides)
  local at = turn_of(line, client)
  for each, turn in pairs(line.turns) do
    if turn <= at then line.turns[each] = nil end
  end
  local own = string.match('\n' .. strides, '\n' .. string.gsub(client, '%W', '%%%0') .. '\n(%d+)\n')
  line.turns[OF_QUEUE], line.turns[client], line.moved = at, at + (tonumber(own) or STRIDE), true
end

local function claim(scope, worker, nonce, lease_ms)
  local task = scope.task
  S.unreserve(scope)
  task.span = tonumber(task.lease_ms) and task.lease_ms or lease_ms
  task.phase, task.since, task.worker, task.nonce = 'leased', now, worker, nonce
  task.lease_until, task.queue_at = now + task.span, ''
  task.attempt_at = tonumber(task.attempt_ms) and now + task.attempt_ms or ''
  if (task.sticky or '') ~= '' then S.stick(task.sticky, worker) end
  S.count_lease(scope.job, 1)
  call('INCR', P .. 'lc')
  S.arm_task(scope)
  return handout(scope)
end

-- Write down how far the clients are on, and wake others for what is left, and for nothing else.
local function leave_line(line)
  if line.is_polled and line.count > 0 then
    S.wake('q' .. line.queue)
  elseif line.is_polled then
    S.wake_not('q' .. line.queue)
  end
  if line.moved then
    local fields = {}
    for client, turn in pairs(line.turns) do
      fields[#fields + 1] = client
      fields[#fields + 1] = string.format('%.0f', turn)
    end
    call('DEL', P .. 'qt:' .. line.queue)
    call('HSET', P .. 'qt:' .. line.queue, unpack(fields))
  end
end

-- The attempts that are reserved for this worker and not closed or parked, at most `most`, with their refs; each gets a
-- place now.
local function claim_reserved(worker, nonce, most, lease_ms, first, last)
  local key, wanted, handouts, refs = P .. 'rs:' .. worker, {}, {}, {}
  for place = first, last do wanted[ARGV[place]] = true end
  for _, ref in ipairs(call('ZRANGE', key, 0, RESERVED_LOOKED_AT - 1)) do
    local id, path = S.split_ref(ref)
    local job = S.job_of(id)
    local scope = job and S.scope_of(job, path)
    local task = scope and scope.task
    if not task or task.phase ~= 'delayed' or task.worker ~= worker then
      call('ZREM', key, ref)
    elseif #handouts < tonumber(most) and wanted[task.queue] and not S.is_parked(job)
      and (path == '/' or not S.closed_because(job, path)) then
      task.order = S.next_place(task.priority)
      handouts[#handouts + 1] = claim(scope, worker, nonce, lease_ms)
      refs[#refs + 1] = ref
    end
  end
  return handouts, refs
end

-- From `at` on ARGV has worker, nonce ('' none), how many at most, lease in ms, strides (client LF stride LF, …), 1 if those
-- that are reserved for this worker come first; from `first` to `last` queues.
-- What this step did before must have been saved: a handout is read as it is kept.
function S.take_attempts(at, first, last)
  local worker, nonce, most, lease_ms, strides, reserved = unpack(ARGV, at, at + 5)
  local nonce_key = P .. 'n:' .. worker .. '\n' .. nonce
  local handouts = taken_before(worker, nonce, nonce_key)
  if #handouts > 0 then return handouts end
  local lines, refs = {}, {}
  if reserved == '1' then handouts, refs = claim_reserved(worker, nonce, most, lease_ms, first, last) end
  for place = first, last do
    local clients = call('SMEMBERS', P .. 'qc:' .. ARGV[place])
    local line = { queue = ARGV[place], heads = {}, count = 0, is_alone = #clients == 1 }
    for _, client in ipairs(clients) do look(line, client) end
    lines[#lines + 1] = line
  end
  while #handouts < tonumber(most) do
    local line, client = first_of(lines)
    if not line then break end
    local head = line.heads[client]
    local scope = scope_of_ref(head.ref)
    call('ZREM', head.key, head.ref)
    if scope then
      if line.count > 1 then move_on(line, client, strides) end
      handouts[#handouts + 1] = claim(scope, worker, nonce, lease_ms)
      refs[#refs + 1] = head.ref
      line.is_polled = true
    end
    look(line, client)
  end
  for place = 1, #lines do leave_line(lines[place]) end
  if nonce ~= '' and #refs > 0 then
    refs[#refs + 1] = ''
    call('SET', nonce_key, table.concat(refs, '\n'), 'PX', lease_ms)
  end
  return handouts
end
