-- include: keys, fair_queue, leases
-- Single flight: equal requests of an account share one generation, that of the primary; the others are its duplicates.
-- They are told what it is told, and end with it; when it leaves alone (cancelled, out of time) one of them takes over.
-- A duplicate's record names its primary as `leader`.

-- The job and its duplicates.
local function generation_of(id)
  local all = redis.call('ZRANGE', duplicates_key(id), 0, -1)
  table.insert(all, 1, id)
  return all
end

-- The first duplicate takes the place in line, or the running attempt, of a job that leaves. Whoever writes for that
-- attempt still calls it by the old name: `successor` leads on.
local function promote(id, heir, status, model, worker, ttl_s)
  local key, heir_key = job_key(id), job_key(heir)
  redis.call('ZREM', duplicates_key(id), heir)
  if redis.call('EXISTS', duplicates_key(id)) == 1 then redis.call('RENAME', duplicates_key(id), duplicates_key(heir)) end
  for _, each in ipairs(redis.call('ZRANGE', duplicates_key(heir), 0, -1)) do
    redis.call('HSET', job_key(each), 'leader', heir)
  end
  redis.call('HDEL', heir_key, 'leader')
  if status == 'queued' then dequeue(id) end
  if redis.call('EXISTS', chunks_key(id)) == 1 then redis.call('RENAME', chunks_key(id), chunks_key(heir)) end
  for _, field in ipairs({'priority', 'place', 'turn', 'failures', 'deaths', 'mark', 'chunk', 'chunks_ttl_s'}) do
    local value = redis.call('HGET', key, field)
    if value then redis.call('HSET', heir_key, field, value) end
  end
  if status == 'queued' then
    enqueue(heir)
  else
    redis.call('SADD', account_running_key(redis.call('HGET', heir_key, 'account')), heir)
    redis.call('ZADD', leases_key, redis.call('ZSCORE', leases_key, id), heir)
    redis.call('ZADD', model_running_key(model), redis.call('ZSCORE', model_running_key(model), id), heir)
    redis.call('HSET', worker_running_key(worker), heir, redis.call('HGET', worker_running_key(worker), id))
    redis.call('SET', successor_key(id), heir, 'EX', ttl_s)
    release_lease(id, model, worker)
  end
  redis.call('SET', single_flight_key(redis.call('HGET', heir_key, 'flight')), heir)
end
