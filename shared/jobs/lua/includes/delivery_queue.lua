-- include: keys
-- Webhook deliveries wait in one queue for each receiver, so that one that takes its time keeps only its own waiting.

-- Say when this queue is to be looked at again: at its first due delivery, or when the lease on one that is being sent ends.
local function schedule(receiver, most_sent, now)
  local due = redis.call('ZRANGE', receiver_queue_key(receiver), 0, 0, 'WITHSCORES')[2]
  local sending = redis.call('ZRANGE', receiver_sending_key(receiver), 0, 0, 'WITHSCORES')[2]
  if not due and not sending then return redis.call('ZREM', receivers_key, receiver) end
  local full = redis.call('ZCARD', receiver_sending_key(receiver)) >= most_sent
  -- never before now: who was served goes behind those who wait for their turn
  local at = (due and not full) and math.max(now, tonumber(due)) or tonumber(sending)
  if sending and tonumber(sending) < at then at = tonumber(sending) end
  redis.call('ZADD', receivers_key, at, receiver)
end
