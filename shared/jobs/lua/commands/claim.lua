-- include: common, queue_position, fair_queue, concurrency_limits, dependencies, lifecycle
-- ARGV: model, worker, lease_ms, schema, ttl_s, expired error, timeout error   ->  {id, record} | 'wait' | nil
-- Gives the next job its next attempt number and a lease. Passed over on the way: a record of a later schema (a newer
-- worker will take it), a job whose company died with it and is running here, one that must run alone while this
-- worker is busy; the jobs of an account that runs as many as it may are put aside. 'wait': nothing now, ask again
-- shortly: this worker runs a job alone, makes room for one, is drained, or had too much to pass over.
local model, worker, lease_ms, schema, ttl_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local CLEARING_MS = 3000  -- how long a worker that makes room may be silent before another one does
local LOOKS_AT_MOST = 256  -- records passed over in one claim: a heap of them must not stop the server
local now = now_ms()

if redis.call('SISMEMBER', root .. ':drained', worker) == 1 then return 'wait' end
local marks = redis.call('HVALS', running_key(worker))
local here = {}
for _, mark in ipairs(marks) do
  if mark == 'alone' then return 'wait' end
  here[mark] = true
end

-- May this worker take a job with that mark? true | false | 'wait'
local function may_run(id, mark)
  if mark ~= 'alone' then return mark == '' or not here[mark] end
  if #marks == 0 then return true end
  local clearing = redis.call('HMGET', job_key(id), 'cleared_by', 'cleared_until')
  if clearing[1] and clearing[1] ~= worker and tonumber(clearing[2]) > now then return false end
  redis.call('HSET', job_key(id), 'cleared_by', worker, 'cleared_until', now + CLEARING_MS)
  return 'wait'
end

local function take(id, class, turn, mark)
  redis.call('HSET', turns_key(model), class, math.max(turn, last_turn(model, class)))
  dequeue(id, last_turn(model, class) + 1)
  redis.call('HINCRBY', turns_key(model), 'claims', 1)
  redis.call('ZADD', leases, now + lease_ms, id)
  redis.call('ZADD', active_key(model), now, id)
  redis.call('HSET', running_key(worker), id, mark)
  redis.call('SADD', runs_key(redis.call('HGET', job_key(id), 'account')), id)
  local attempt = redis.call('HINCRBY', job_key(id), 'attempt', 1)
  for _, each in ipairs(shared_by(id)) do
    local key = job_key(each)
    redis.call('HSET', key, 'status', 'running', 'stage', 'running', 'worker', worker, 'started_ms', now,
      'attempt', attempt)
    emit(each, 'started', now, 'attempt', attempt, 'worker', worker)
    if redis.call('HSETNX', key, 'first_ms', now) == 1 then
      announce(each, 'started', now)
      begin_whole(each, now)
      local timeout_ms = redis.call('HGET', key, 'timeout_ms')
      if timeout_ms then redis.call('ZADD', deadlines, now + timeout_ms, each) else redis.call('ZREM', deadlines, each) end
    end
  end
  count('claims|' .. model)
  return {id, redis.call('HGETALL', job_key(id))}
end

local looks = 0

local function first_of(class)
  local line, from = line_key(model, class), 0
  while looks < LOOKS_AT_MOST do
    local members = redis.call('ZRANGE', line, from, from + 7, 'WITHSCORES')
    if #members == 0 then return nil end
    for n = 1, #members, 2 do
      local id = id_of(members[n])
      looks = looks + 1
      local job = redis.call('HMGET', job_key(id), 'status', 'schema', 'mark', 'account')
      local deadline = redis.call('ZSCORE', deadlines, id)
      if job[1] ~= 'queued' then
        redis.call('ZREM', line, members[n])  -- its record is gone
      elseif deadline and tonumber(deadline) <= now then
        time_out(id, now, ttl_s, ARGV[6], ARGV[7])
      elseif room_of(job[4]) <= 0 then
        put_aside(model, class, job[4])
        break  -- the line is another one now
      elseif tonumber(job[2]) > schema then
        from = from + 1
      else
        local mark = job[3] or ''
        local may = may_run(id, mark)
        if may == 'wait' then return 'wait' end
        if may then return take(id, class, tonumber(members[n + 1]), mark) end
        from = from + 1
      end
    end
  end
end

local claims = tonumber(redis.call('HGET', turns_key(model), 'claims') or 0)
local turn = PATTERN[claims % #PATTERN + 1]
local order = {turn}
for _, class in ipairs(CLASSES) do
  if class ~= turn then table.insert(order, class) end
end
for _, class in ipairs(order) do
  local found = first_of(class)
  if found then return found end
end
return looks >= LOOKS_AT_MOST and 'wait' or nil
