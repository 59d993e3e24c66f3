-- include: keys, records, minutes, events, queue_position, fair_queue, concurrency_limits, begin, compositions, single_flight, finish
-- ARGV: model, worker, lease_ms, schema, ttl_s, expired error, timeout error   ->  {id, record} | 'wait' | nil
-- Gives the next job its next attempt number and a lease. Passed over on the way: a record of a later schema (a newer
-- worker will take it), a job whose cohort died with it and is running here, one that must run alone while this worker
-- is busy; the jobs of an account that runs as many as it may are parked. 'wait': nothing now, ask again shortly: this
-- worker runs a job alone, makes room for one, is drained, or had too much to pass over.
local model, worker, lease_ms, schema, ttl_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
-- of 8 claims 5, 2 and 1; a priority without jobs yields to the first that has some
local PATTERN = {'high', 'normal', 'high', 'high', 'low', 'high', 'normal', 'high'}
local CLEARING_MS = 3000  -- how long a worker that makes room may be silent before another one does
local READ_AT_MOST = 256  -- records passed over in one claim: a heap of them must not stop the server
local now = now_ms()

if redis.call('SISMEMBER', drained_key, worker) == 1 then return 'wait' end
local isolations = redis.call('HVALS', worker_running_key(worker))
local here = {}
for _, isolation in ipairs(isolations) do
  if isolation == 'alone' then return 'wait' end
  here[isolation] = true
end

-- May this worker take a job with that isolation ('' | its cohort's name | 'alone')? true | false | 'wait'
local function may_run(id, isolation)
  if isolation ~= 'alone' then return isolation == '' or not here[isolation] end
  if #isolations == 0 then return true end
  local clearing = read_fields(job_key(id), 'cleared_by', 'cleared_until')
  if clearing.cleared_by and clearing.cleared_by ~= worker and tonumber(clearing.cleared_until) > now then return false end
  redis.call('HSET', job_key(id), 'cleared_by', worker, 'cleared_until', now + CLEARING_MS)
  return 'wait'
end

-- The job and its duplicates begin: an attempt, and the first time their timeout.
local function start(id, attempt)
  for _, each in ipairs(generation_of(id)) do
    redis.call('HSET', job_key(each), 'status', 'running', 'stage', 'running', 'worker', worker, 'started_ms', now,
      'attempt', attempt)
    log_event(each, 'started', now, 'attempt', attempt, 'worker', worker)
    if begin(each, now) then begin_composition(each, now) end
  end
end

local function take(id, priority, finish_time, isolation, account)
  local served = last_finish_time(model, priority)
  redis.call('HSET', queue_state_key(model), priority, math.max(finish_time, served))
  dequeue(id, math.max(finish_time, served) + 1)
  redis.call('HINCRBY', queue_state_key(model), 'claims', 1)
  redis.call('ZADD', leases_key, now + lease_ms, id)
  redis.call('ZADD', model_running_key(model), now, id)
  redis.call('HSET', worker_running_key(worker), id, isolation)
  redis.call('SADD', account_running_key(account), id)
  start(id, redis.call('HINCRBY', job_key(id), 'attempt', 1))
  count('claims|' .. model)
  return {id, redis.call('HGETALL', job_key(id))}
end

local read = 0

local function first_of(priority)
  local queue, from = queue_key(priority, model), 0
  while read < READ_AT_MOST do
    local members = redis.call('ZRANGE', queue, from, from + 7, 'WITHSCORES')
    if #members == 0 then return nil end
    for n = 1, #members, 2 do
      local id = id_of(members[n])
      read = read + 1
      local job = read_fields(job_key(id), 'status', 'schema', 'mark', 'account')
      local deadline = redis.call('ZSCORE', deadlines_key, id)
      if job.status ~= 'queued' then
        redis.call('ZREM', queue, members[n])  -- its record is gone
        count_minute('queue|' .. model, -1)
      elseif deadline and tonumber(deadline) <= now then
        time_out(id, now, ttl_s, ARGV[6], ARGV[7])
      elseif slots_left(job.account) <= 0 then
        park(model, priority, job.account)
        break  -- the line is another one now
      elseif tonumber(job.schema) > schema then
        from = from + 1
      else
        local isolation = job.mark or ''
        local may = may_run(id, isolation)
        if may == 'wait' then return 'wait' end
        if may then return take(id, priority, tonumber(members[n + 1]), isolation, job.account) end
        from = from + 1
      end
    end
  end
end

local claims = tonumber(redis.call('HGET', queue_state_key(model), 'claims') or 0)
local preferred = PATTERN[claims % #PATTERN + 1]
local order = {preferred}
for _, priority in ipairs(PRIORITIES) do
  if priority ~= preferred then table.insert(order, priority) end
end
for _, priority in ipairs(order) do
  local found = first_of(priority)
  if found then return found end
end
return read >= READ_AT_MOST and 'wait' or nil
