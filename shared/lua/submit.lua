-- ARGV: id, model, account, limit, field, value, ...   ->  {'ok', now_ms} | {'full', queue length}
local id, model, account, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local length = redis.call('ZCARD', waiting_key(model))
if length >= limit then return {'full', length} end
local now = now_ms()
local place = redis.call('INCR', root .. ':places')
redis.call('HSET', job_key(id), 'status', 'queued', 'stage', 'queued', 'created_ms', now, 'place', place,
  unpack(ARGV, 5))
redis.call('ZADD', waiting_key(model), place, id)
redis.call('ZADD', root .. ':account:' .. account, place, id)
redis.call('SADD', models, model)
return {'ok', now}
