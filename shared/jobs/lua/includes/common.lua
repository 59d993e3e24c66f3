-- Prepended to every script. Names the keys and holds what more than one transition needs.
-- KEYS[1] is the namespace's root, e.g. "ostinato"; every other key hangs below it:
--   job:<id>                hash    the record
--   events:<id>             stream  what happened to it: type, at_ms, and what applies (docs/architecture.md)
--   webhooks:due            zset    <job id>|<event>|<at_ms> -> when to deliver, ms
--   chunks:<id>             stream  its sound while it is made, see append_chunks.lua
--   refs:<blob key>         zset    job id -> until when it needs the blob, ms (+inf until it ends)
--   installation            string  the name of this Redis, see the cleaner
--   outside                 set     keys of blobs that lie outside our folder, see housekeeping/outside_blobs.py
--   leases, deadlines       zset    id -> the lease's end; when it must have started, or once started, have ended; ms
--   running:<worker>        hash    id -> mark ('' | its company's name | 'alone'), the jobs that a worker runs
--   active:<model>          zset    id -> since when it runs, ms
--   models, drained         set     models that ever had a job; workers that are to claim nothing
--   account:<account>       zset    id -> place: all of an account's jobs
--   dead                    zset    id -> when its attempts were used up, ms
--   pace:<model>            list    "<audio ms>:<run ms>" of the last finished jobs, newest first
--   counters                hash    what is counted over all processes
--   idem:<account>:<key>    hash    id, digest
--   batch:<id>              hash    see batches.lua
--   flight:<digest>         string  the job that makes, or made, this music; followers:<id> zset, successor:<id> string
--   after:..., dependents:..., held               see dependencies.lua
--   line:..., own:..., aside:..., turns:<model>   see fair_queue.lua; concurrent, runs:..., asides...   see concurrency_limits.lua
local root = KEYS[1]

local EVENTS_KEPT = 200

local function job_key(id) return root .. ':job:' .. id end
local function events_key(id) return root .. ':events:' .. id end
local function chunks_key(id) return root .. ':chunks:' .. id end
local function running_key(worker) return root .. ':running:' .. worker end
local function active_key(model) return root .. ':active:' .. model end
local function flight_key(digest) return root .. ':flight:' .. digest end
local function followers_key(id) return root .. ':followers:' .. id end
local function successor_key(id) return root .. ':successor:' .. id end
local function batch_key(id) return root .. ':batch:' .. id end
local leases = root .. ':leases'
local deadlines = root .. ':deadlines'
local models = root .. ':models'
local dead = root .. ':dead'

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Ids with a space between.
local function ids_in(text)
  local ids = {}
  for id in string.gmatch(text or '', '%S+') do table.insert(ids, id) end
  return ids
end

local function count(field, by) redis.call('HINCRBY', root .. ':counters', field, by or 1) end

-- Put an event on the job's log. `...` are field, value pairs.
local function emit(id, kind, now, ...)
  redis.call('XADD', events_key(id), 'MAXLEN', '~', EVENTS_KEPT, '*', 'type', kind, 'at_ms', now, ...)
end

-- Owe the job's webhook this event, if it asked for it.
local function announce(id, kind, now)
  local webhook = redis.call('HGET', job_key(id), 'webhook')
  if not webhook then return end
  for _, wanted in ipairs(cjson.decode(webhook).events or {'completed', 'failed', 'cancelled'}) do
    if wanted == kind then redis.call('ZADD', root .. ':webhooks:due', now, id .. '|' .. kind .. '|' .. now) end
  end
end

-- This job needs that blob until then. A blob that nobody refers to is the cleaner's.
local function refer(blob, id, until_ms)
  local key = root .. ':refs:' .. blob
  redis.call('ZADD', key, until_ms, id)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  if last == 'inf' then redis.call('PERSIST', key) else redis.call('PEXPIREAT', key, last) end
end

-- The same of each blob in a JSON list.
local function refer_all(blobs, id, until_ms)
  for _, blob in ipairs(cjson.decode(blobs)) do refer(blob, id, until_ms) end
end

-- The codes of a clip lie beside its audio.
local function codes_beside(blob) return (string.gsub(blob, '%.%w+$', '.codes')) end

-- The same of a result: its audio, and its codes.
local function refer_result(blob, id, until_ms)
  refer(blob, id, until_ms)
  refer(codes_beside(blob), id, until_ms)
end
