-- A job as listings and readers see it, as it is kept.

local STATUSES = { 'open', 'paused', 'quarantined', 'compensating', 'finishing', 'finished', 'failed', 'cancelled' }
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

-- What the root left where a part of it stands elsewhere: as a slice of its record, or as values one after the other.
-- `place` is <places in the rest> LF `s` <first> LF <last>, or <places> LF `v` <id> LF <id> …
function S.result_at(job, rest, place, record)
  local places, kind, where = string.match(place, '^([%d,]*)\n(.)(.*)$')
  if kind == 's' then
    local first, last = string.match(where, '(%d+)\n(%d+)')
    return S.whole(rest, places, string.sub(record, first, last))
  end
  local names = {}
  for name in string.gmatch(where, '[^\n]+') do names[#names + 1] = name end
  return S.whole(rest, places, table.concat(call('HMGET', P .. 'v:' .. job.id, unpack(names))))
end

-- m, f, h, l, r, R, E of the job; s of the root; open tasks {path, TASK, progress}; the job's id
function S.row(job, everywhere)
  local kept = call('HMGET', job.key, 'm', 'f', 'h', 'l', 'r', 'R', 'E', 's', 'Q')
  if kept[9] then kept[6] = S.result_at(job, kept[6], kept[9], kept[8]) end
  kept[9], kept[10] = S.open_tasks(job, everywhere), job.id
  return kept
end
