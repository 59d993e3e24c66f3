-- include: keys, records, delivery_queue
-- ARGV: lease_ms, most, most sent to one receiver, ttl_s   ->  {member, receiver, lease's end, record | '', ...}
-- Takes deliveries that are due. Transitions push them to one set; here they are sorted into a queue for each receiver.
-- A claimed delivery is being sent until its lease's end, which is also the fence: only who holds it may settle it.
local lease_ms, most, most_sent, ttl_s = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local now = now_ms()

for _, member in ipairs(redis.call('ZRANGEBYSCORE', webhooks_due_key, '-inf', now, 'LIMIT', 0, 200)) do
  local id, event, at_ms = string.match(member, '^(.*)|(.*)|(.*)$')
  local webhook = redis.call('HGET', job_key(id), 'webhook')
  redis.call('ZREM', webhooks_due_key, member)
  if webhook then
    local receiver = cjson.decode(webhook).lane
    redis.call('HSETNX', deliveries_key(id), event, '{"at_ms":' .. at_ms .. '}')
    redis.call('EXPIRE', deliveries_key(id), ttl_s)
    redis.call('ZADD', receiver_queue_key(receiver), now, member)
    redis.call('ZADD', receivers_key, 'LT', now, receiver)
  end
end

local taken = {}
for _, receiver in ipairs(redis.call('ZRANGEBYSCORE', receivers_key, '-inf', now, 'LIMIT', 0, 100)) do
  local queue, sending = receiver_queue_key(receiver), receiver_sending_key(receiver)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', sending, '-inf', now)) do  -- their dispatcher died
    redis.call('ZREM', sending, member)
    redis.call('ZADD', queue, now, member)
  end
  local free = math.min(most - #taken / 4, most_sent - redis.call('ZCARD', sending))
  local ready = free > 0 and redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, free) or {}
  for _, member in ipairs(ready) do
    local id, event = string.match(member, '^(.*)|(.*)|.*$')
    redis.call('ZREM', queue, member)
    redis.call('ZADD', sending, now + lease_ms, member)
    local record = redis.call('HGET', deliveries_key(id), event) or ''
    for _, value in ipairs({member, receiver, tostring(now + lease_ms), record}) do table.insert(taken, value) end
  end
  schedule(receiver, most_sent, now)
  if #taken / 4 >= most then break end
end
return taken
