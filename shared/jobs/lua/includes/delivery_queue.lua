-- include: common
-- Stands between common.lua and each script of shared/webhooks/delivery_queue.py.
local function deliveries_key(id) return root .. ':deliveries:' .. id end      -- event -> record
local function lane_key(lane) return root .. ':webhooks:lane:' .. lane end       -- delivery -> when due, ms
local function sending_key(lane) return root .. ':webhooks:sending:' .. lane end   -- delivery -> lease's end, ms

-- Say when this lane is to be looked at again: at its first due delivery, or when the lease on one that is being sent ends.
local function schedule(lane, per_lane, now)
  local lanes_key = root .. ':webhooks:lanes'
  local due = redis.call('ZRANGE', lane_key(lane), 0, 0, 'WITHSCORES')[2]
  local flying = redis.call('ZRANGE', sending_key(lane), 0, 0, 'WITHSCORES')[2]
  if not due and not flying then return redis.call('ZREM', lanes_key, lane) end
  local full = redis.call('ZCARD', sending_key(lane)) >= per_lane
  -- never before now: who was served goes behind those who wait for their turn
  local at = (due and not full) and math.max(now, tonumber(due)) or tonumber(flying)
  if flying and tonumber(flying) < at then at = tonumber(flying) end
  redis.call('ZADD', lanes_key, at, lane)
end
