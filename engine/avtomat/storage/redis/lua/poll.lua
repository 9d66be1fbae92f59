-- Take attempts out of queues, by priority, then first come, over all of them; each gets a lease in this step.
--
-- ARGV  2 worker, 3 nonce ('' none), 4 how many at most, 5 lease in ms, 6… queues
-- Returns {now, {{t (TASK), body, loaded or false, job, path}, …}}
--
-- n:<worker> LF <nonce>  text: the refs that were given out under it, LF after each
--@include base
--@include records
--@include tasks
--@include view
--@later paths

local worker, nonce, lease_ms = ARGV[2], ARGV[3], ARGV[5]
local nonce_key = P .. 'n:' .. worker .. '\n' .. nonce

local function handout(scope)
  return { S.pack(TASK, scope.task), call('HGET', scope.key, 'b') or '', S.loaded_if_small(scope.job, scope.path),
    scope.job.id, scope.path }
end

-- What is still leased under this nonce: the answer to its first use was lost.
local function taken_before()
  local handouts = {}
  local refs = nonce ~= '' and call('GET', nonce_key) or ''
  for ref in string.gmatch(refs, '([^\n]*)\n') do
    local id, path = S.split_ref(ref)
    local job = S.job_of(id)
    local scope = job and S.scope_of(job, path)
    local task = scope and scope.task
    if task and task.phase == 'leased' and task.worker == worker and task.nonce == nonce then
      handouts[#handouts + 1] = handout(scope)
    end
  end
  return handouts
end

local handouts = taken_before()
if #handouts > 0 then return { now, handouts } end

local heads = {}

local function look(queue)
  local head = call('ZRANGE', P .. 'q:' .. queue, 0, 0, 'WITHSCORES')
  heads[queue] = head[1] and { ref = head[1], order = tonumber(head[2]) } or nil
end

local function first_queue()
  local best
  for queue, head in pairs(heads) do
    if not best or head.order < heads[best].order then best = queue end
  end
  return best
end

local function claim(scope)
  local task = scope.task
  task.span = tonumber(task.lease_ms) and task.lease_ms or lease_ms
  task.phase, task.since, task.worker, task.nonce = 'leased', now, worker, nonce
  task.lease_until, task.queue_at = now + task.span, ''
  task.attempt_at = tonumber(task.attempt_ms) and now + task.attempt_ms or ''
  S.count_lease(scope.job, 1)
  call('INCR', P .. 'lc')
  S.arm_task(scope)
  return handout(scope)
end

for place = 6, #ARGV do look(ARGV[place]) end

local refs, queue = {}, first_queue()
while queue and #handouts < tonumber(ARGV[4]) do
  local ref = heads[queue].ref
  call('ZREM', P .. 'q:' .. queue, ref)
  local id, path = S.split_ref(ref)
  local job = id and S.job_of(id)
  local scope = job and S.scope_of(job, path)
  local is_queued = scope and scope.task and scope.task.phase == 'queued'
  if is_queued and (path == '/' or not S.closed_because(job, path)) then
    handouts[#handouts + 1] = claim(scope)
    refs[#refs + 1] = ref
  end
  look(queue)
  if heads[queue] then S.wake('q' .. queue) end
  queue = first_queue()
end

if nonce ~= '' and #refs > 0 then
  refs[#refs + 1] = ''
  call('SET', nonce_key, table.concat(refs, '\n'), 'PX', lease_ms)
end
S.save()
return { S.told(), handouts }
