-- ARGV: model, worker, lease_ms, schema   ->  {id, record} | nil
-- Takes the first waiting job, gives it the next attempt number and a lease. A job that is no longer queued (its
-- record expired or was removed) leaves the line; one of a later schema stays for a newer worker.
local model, worker, lease_ms, schema = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local line, from, batch = waiting_key(model), 0, 16
local now = now_ms()
while true do
  local ids = redis.call('ZRANGE', line, from, from + batch - 1)
  if #ids == 0 then return nil end
  for _, id in ipairs(ids) do
    local key = job_key(id)
    local record = redis.call('HMGET', key, 'status', 'schema')
    if record[1] ~= 'queued' then
      redis.call('ZREM', line, id)
    elseif tonumber(record[2]) > schema then
      from = from + 1
    else
      redis.call('ZREM', line, id)
      redis.call('HINCRBY', key, 'attempt', 1)
      redis.call('HSET', key, 'status', 'running', 'stage', 'running', 'worker', worker, 'started_ms', now)
      redis.call('ZADD', leases, now + lease_ms, id)
      return {id, redis.call('HGETALL', key)}
    end
  end
end
