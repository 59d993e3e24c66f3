-- Prepended to every script. Names the keys and holds what more than one transition needs.
-- KEYS[1] is the namespace's root, e.g. "ostinato"; every other key hangs below it.
local root = KEYS[1]

local function job_key(id) return root .. ':job:' .. id end
local function waiting_key(model) return root .. ':waiting:' .. model end
local leases = root .. ':leases'      -- id -> lease's end, ms
local models = root .. ':models'      -- every model that ever had a job

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- End a job for good. `...` are field, value pairs. The record stays readable for ttl_s.
local function close(id, status, now, ttl_s, ...)
  redis.call('ZREM', leases, id)
  redis.call('HSET', job_key(id), 'status', status, 'finished_ms', now, ...)
  redis.call('EXPIRE', job_key(id), ttl_s)
end

-- Put a running job back where it came from: its place in line is its first arrival's.
local function requeue(id)
  local key = job_key(id)
  local job = redis.call('HMGET', key, 'model', 'place')
  redis.call('ZREM', leases, id)
  redis.call('HSET', key, 'status', 'queued', 'stage', 'queued', 'step', 0, 'steps', 0)
  redis.call('HDEL', key, 'worker', 'started_ms')
  redis.call('ZADD', waiting_key(job[1]), job[2], id)
  return job[1]
end

-- One attempt went wrong: try again while attempts are left, else fail. Returns the new status and the model.
local function attempt_failed(id, now, max_attempts, ttl_s, attempt_error, final_error)
  local failures = redis.call('HINCRBY', job_key(id), 'failures', 1)
  if failures >= max_attempts then
    close(id, 'failed', now, ttl_s, 'error', final_error)
    return 'failed', redis.call('HGET', job_key(id), 'model')
  end
  redis.call('HSET', job_key(id), 'error', attempt_error)
  return 'queued', requeue(id)
end

-- Does this attempt still hold the job? The fence that a late attempt cannot pass.
local function holds(id, attempt)
  local job = redis.call('HMGET', job_key(id), 'status', 'attempt')
  return job[1] == 'running' and job[2] == attempt, job[1]
end
