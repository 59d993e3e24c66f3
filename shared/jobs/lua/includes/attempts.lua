-- include: keys, records, events, fair_queue, concurrency_limits, leases, single_flight, finish
-- How an attempt ends that did not complete its job.

-- Put a running job back where it came from: its place in line and its turn are its first arrival's.
local function requeue(id, now, reason, code)
  local job = read_fields(job_key(id), 'model', 'worker')
  release_lease(id, job.model, job.worker)
  for _, each in ipairs(generation_of(id)) do
    redis.call('HSET', job_key(each), 'status', 'queued', 'stage', 'queued', 'step', 0, 'steps', 0)
    redis.call('HDEL', job_key(each), 'worker', 'started_ms')
    log_event(each, 'requeued', now, 'reason', reason, 'code', code)
  end
  enqueue(id)
  admit(redis.call('HGET', job_key(id), 'account'))  -- none before it: what comes back counts as in line
  count('attempts|' .. job.model .. '|' .. reason)
end

-- One attempt went wrong: try again while attempts are left, else fail. Returns the new status.
local function fail_attempt(id, now, max_attempts, ttl_s, attempt_error, final_error, reason)
  local failures = redis.call('HINCRBY', job_key(id), 'failures', 1)
  if failures >= max_attempts then
    count('attempts|' .. redis.call('HGET', job_key(id), 'model') .. '|' .. reason)
    finish_generation(id, 'failed', now, ttl_s, 'error', final_error)
    return 'failed'
  end
  redis.call('HSET', job_key(id), 'error', attempt_error)
  requeue(id, now, reason, cjson.decode(attempt_error).code)
  return 'queued'
end
