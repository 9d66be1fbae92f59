-- What a replica needs in order to decide for a scope, as it is kept: packed records and bytes, for the caller to read.

local LOADED_BYTES_MAX = 16384

-- m, f, h, l of the job; v, s of the scope; the environment of its fork; the newest undo while it may run one.
local UNDOING = { compensating = true, paused = true, quarantined = true }

function S.loaded(job, path)
  local head = call('HMGET', job.key, 'm', 'f', 'h', 'l')
  local scope = call('HMGET', S.scope_key(job, path), 'v', 's')
  local fork = path ~= '/' and S.split_path(path)
  local environment = fork and not S.closed_because(job, fork) and call('HGET', S.fork_key(job, fork), 'e') or false
  local undo = path == '/' and UNDOING[job.status] and call('ZRANGE', P .. 'u:' .. job.id, -1, -1)[1] or false
  return { head[1], head[2], head[3], head[4], scope[1], scope[2], environment, undo, path, job.id }
end

-- The same, or false when it is too large to go along with something else.
function S.loaded_if_small(job, path)
  local view = S.loaded(job, path)
  local size = #(view[3] or '') + #(view[6] or '') + #(view[7] or '')
  return size <= LOADED_BYTES_MAX and view
end
