-- include: keys, records, delivery_queue
-- ARGV: member, receiver, lease's end, next_ms | '', record, most sent to one receiver, ttl_s   ->  'ok' | 'stale'
-- One try is over: it is told, and the delivery is due again at next_ms, or done with.
local member, receiver, next_ms = ARGV[1], ARGV[2], ARGV[4]
local sending = receiver_sending_key(receiver)
if redis.call('ZSCORE', sending, member) ~= ARGV[3] then return 'stale' end
redis.call('ZREM', sending, member)
local id, event = string.match(member, '^(.*)|(.*)|.*$')
if redis.call('EXISTS', job_key(id)) == 1 then
  redis.call('HSET', deliveries_key(id), event, ARGV[5])
  redis.call('EXPIRE', deliveries_key(id), ARGV[7])
  if next_ms ~= '' then redis.call('ZADD', receiver_queue_key(receiver), next_ms, member) end
end
schedule(receiver, tonumber(ARGV[6]), now_ms())
return 'ok'
