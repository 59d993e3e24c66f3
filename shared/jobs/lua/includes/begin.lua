-- include: keys, records, minutes, events
-- How a job begins: the first time that an attempt at it starts, be it its own or one that it shares.

-- Whether it begins now. Then its webhook is owed that, and its time limit is from now on its timeout, if it has one.
local function begin(id, now)
  local key = job_key(id)
  if redis.call('HSETNX', key, 'first_ms', now) == 0 then return false end
  owe_webhook(id, 'started', now)
  local job = read_fields(key, 'timeout_ms', 'model', 'created_ms', 'after')
  if job.timeout_ms then redis.call('ZADD', deadlines_key, now + job.timeout_ms, id) else redis.call('ZREM', deadlines_key, id) end
  if not job.after then  -- one that waited for others waited for no worker
    count_minute('started|' .. job.model, 1)
    count_minute('wait_ms|' .. job.model, now - job.created_ms)
  end
  return true
end
