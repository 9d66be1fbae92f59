-- A job as listings and readers see it, as it is kept.

local STATUSES = { 'open', 'paused', 'quarantined', 'compensating', 'finished', 'failed', 'cancelled' }
local TASKS_SHOWN_MAX = 1000

function S.open_task(job, path)
  local scope = S.scope_of(job, path)
  if not scope or not scope.task then return nil end
  return { path, S.pack(TASK, scope.task), call('HGET', scope.key, 'p') }
end

function S.open_tasks(job, everywhere)
  local tasks = { S.open_task(job, '/') }
  if not everywhere then return tasks end
  for _, path in ipairs(call('ZRANGE', P .. 'x:' .. job.id, 0, TASKS_SHOWN_MAX - 1)) do
    tasks[#tasks + 1] = S.open_task(job, path)
  end
  return tasks
end

-- m, f, h, l, r, R, E of the job; s of the root; open tasks {path, TASK, progress}; the job's id
function S.row(job, everywhere)
  local kept = call('HMGET', job.key, 'm', 'f', 'h', 'l', 'r', 'R', 'E', 's')
  kept[9], kept[10] = S.open_tasks(job, everywhere), job.id
  return kept
end
