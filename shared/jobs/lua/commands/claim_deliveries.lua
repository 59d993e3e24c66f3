-- include: common, delivery_queue
-- ARGV: lease_ms, most, most per lane, ttl_s   ->  {member, lane, lease's end, record | '', ...}
-- Takes deliveries that are due. Transitions push them to one set; here they are sorted into lanes, one per receiver,
-- so that a receiver that takes its time keeps only its own waiting. A claimed delivery is being sent until its lease's
-- end, which is also the fence: only who holds it may settle it.
local due_key, lanes_key = root .. ':webhooks:due', root .. ':webhooks:lanes'
local lease_ms, most, per_lane, ttl_s = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local now = now_ms()

for _, member in ipairs(redis.call('ZRANGEBYSCORE', due_key, '-inf', now, 'LIMIT', 0, 200)) do
  local id, event, at_ms = string.match(member, '^(.*)|(.*)|(.*)$')
  local wish = redis.call('HGET', job_key(id), 'webhook')
  redis.call('ZREM', due_key, member)
  if wish then
    local lane = cjson.decode(wish).lane
    redis.call('HSETNX', deliveries_key(id), event, '{"at_ms":' .. at_ms .. '}')
    redis.call('EXPIRE', deliveries_key(id), ttl_s)
    redis.call('ZADD', lane_key(lane), now, member)
    redis.call('ZADD', lanes_key, 'LT', now, lane)
  end
end

local taken = {}
for _, lane in ipairs(redis.call('ZRANGEBYSCORE', lanes_key, '-inf', now, 'LIMIT', 0, 100)) do
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', sending_key(lane), '-inf', now)) do  -- their dispatcher died
    redis.call('ZREM', sending_key(lane), member)
    redis.call('ZADD', lane_key(lane), now, member)
  end
  local room = math.min(most - #taken / 4, per_lane - redis.call('ZCARD', sending_key(lane)))
  local ready = room > 0 and redis.call('ZRANGEBYSCORE', lane_key(lane), '-inf', now, 'LIMIT', 0, room) or {}
  for _, member in ipairs(ready) do
    local id, event = string.match(member, '^(.*)|(.*)|.*$')
    redis.call('ZREM', lane_key(lane), member)
    redis.call('ZADD', sending_key(lane), now + lease_ms, member)
    for _, part in ipairs({member, lane, tostring(now + lease_ms), redis.call('HGET', deliveries_key(id), event) or ''}) do
      table.insert(taken, part)
    end
  end
  schedule(lane, per_lane, now)
  if #taken / 4 >= most then break end
end
return taken
