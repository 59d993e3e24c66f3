-- include: keys, records
-- What is counted of each minute, for the charts of the last hour: one hash a minute, which expires.
local MINUTES_KEPT_S = 7200

-- `field` is words joined by `|`: what is counted, then its labels. `queue|<model>` is what the line grew by.
local function count_minute(field, by)
  local key = minute_counts_key(math.floor(now_ms() / 60000))
  if redis.call('HINCRBY', key, field, by) == by then redis.call('EXPIRE', key, MINUTES_KEPT_S) end
end
