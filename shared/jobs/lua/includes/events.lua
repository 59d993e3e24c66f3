-- include: keys
-- What a transition tells: the job's event log, its webhook, the counters of /metrics.
local EVENTS_KEPT = 200
local DEFAULT_WEBHOOK_EVENTS = {'completed', 'failed', 'cancelled'}

-- `field` is words joined by `|`: what is counted, then its labels.
local function count(field, by) redis.call('HINCRBY', counters_key, field, by or 1) end

-- Put an event on the job's log. `...` are field, value pairs.
local function log_event(id, kind, now, ...)
  redis.call('XADD', events_key(id), 'MAXLEN', '~', EVENTS_KEPT, '*', 'type', kind, 'at_ms', now, ...)
end

-- Owe the job's webhook this event, if it asked for it.
local function owe_webhook(id, kind, now)
  local webhook = redis.call('HGET', job_key(id), 'webhook')
  if not webhook then return end
  for _, wanted in ipairs(cjson.decode(webhook).events or DEFAULT_WEBHOOK_EVENTS) do
    if wanted == kind then redis.call('ZADD', webhooks_due_key, now, id .. '|' .. kind .. '|' .. now) end
  end
end
