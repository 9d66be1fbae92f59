-- Paths, forks and fences: what is closed, and what waits to be answered.

-- `/3.17/0.2` → `/3.17/0` (its fork), `2`; the root and a fork have none.
function S.split_path(path)
  return string.match(path, '^(.*)%.(%d+)$')
end

function S.fork_path(path, number)
  return (path == '/' and '' or path) .. '/' .. number
end

function S.fork_key(job, fork)
  return P .. 'k:' .. job.id .. fork
end

-- A field of a hash, as this step has left it so far.
function S.field_of(key, field)
  local pending = changes[key] and changes[key][field]
  if pending ~= nil then return pending end
  return call('HGET', key, field)
end

-- Why a scope or a fork is closed: a fence at it or above it, or a scope on the way that has ended; nil if it is open.
function S.closed_because(job, path)
  if ENDED_WORDS[job.status] then return S.field_of(job.key, '!/') end
  local prefix = ''
  for part in string.gmatch(path, '/([^/]+)') do
    local number, index = string.match(part, '^(%d+)%.?(%d*)$')
    if not number then return nil end
    local fork = prefix .. '/' .. number
    prefix = prefix .. '/' .. part
    local why = S.field_of(job.key, '!' .. fork)
    if not why and index ~= '' then
      why = S.field_of(job.key, '!' .. prefix) or (S.field_of(S.fork_key(job, fork), index) and 'ended')
    end
    if why then return why end
  end
  return nil
end

-- Whether a member waits to be answered, be it armed or set aside.
function S.is_armed(job, letter, ref)
  if call('ZSCORE', P .. 'd', letter .. ref) then return true end
  return job.aside == '1' and call('ZSCORE', P .. 'pk:' .. job.id, letter .. ref)
end

-- Whether a member was given out.
function S.was_given(letter, ref)
  return call('HEXISTS', P .. 'dr', letter .. ref) == 1
end
