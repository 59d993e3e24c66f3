-- include: common, delivery_queue
-- ARGV: member, lane, lease's end, next_ms | '', record, most per lane, ttl_s   ->  'ok' | 'stale'
-- One try is over: it is told, and the delivery is due again at next_ms, or done with.
local member, lane, next_ms = ARGV[1], ARGV[2], ARGV[4]
if redis.call('ZSCORE', sending_key(lane), member) ~= ARGV[3] then return 'stale' end
redis.call('ZREM', sending_key(lane), member)
local id, event = string.match(member, '^(.*)|(.*)|.*$')
if redis.call('EXISTS', job_key(id)) == 1 then
  redis.call('HSET', deliveries_key(id), event, ARGV[5])
  redis.call('EXPIRE', deliveries_key(id), ARGV[7])
  if next_ms ~= '' then redis.call('ZADD', lane_key(lane), next_ms, member) end
end
schedule(lane, tonumber(ARGV[6]), now_ms())
return 'ok'
