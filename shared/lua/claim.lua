-- ARGV: model, worker, lease_ms   ->  id | nil
-- Takes the first waiting job, gives it the next attempt number and a lease. A job that is no longer queued (its
-- record expired or was removed) is passed over.
local model, worker, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = now_ms()
while true do
  local id = redis.call('ZPOPMIN', waiting_key(model))[1]
  if not id then return nil end
  local key = job_key(id)
  if redis.call('HGET', key, 'status') == 'queued' then
    redis.call('HINCRBY', key, 'attempt', 1)
    redis.call('HSET', key, 'status', 'running', 'stage', 'running', 'worker', worker, 'started_ms', now)
    redis.call('ZADD', leases, now + lease_ms, id)
    return {id, redis.call('HGETALL', key)}
  end
end
