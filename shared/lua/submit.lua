-- ARGV: id, model, account, limit, ttl_s, idempotency key | '', digest, its ttl_ms, flight | '', ttl_ms | '',
--       ticket's queue | '', ticket, field, value, ...
--   ->  {'queued', now_ms, standing} | {'shared' | 'cached', now_ms} | {'full', length} | {'replayed' | 'conflict', id}
-- `fields` hold priority and all else that does not depend on the moment.
local id, model, account, limit, ttl_s = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local idem = ARGV[6] ~= '' and root .. ':idem:' .. account .. ':' .. ARGV[6]
local flight, ttl_ms = ARGV[9], ARGV[10]
local FOLLOWERS_AT_MOST = 100
local RANK = {high = 1, normal = 2, low = 3}

if idem then
  local before = redis.call('HMGET', idem, 'id', 'digest')
  if before[1] and redis.call('EXISTS', job_key(before[1])) == 1 then
    return {before[2] == ARGV[7] and 'replayed' or 'conflict', before[1]}
  end
end

local fields = {}
for n = 13, #ARGV, 2 do fields[ARGV[n]] = ARGV[n + 1] end

-- Who makes this music already, or made it?
local word, other, result = 'queued', flight ~= '' and redis.call('GET', flight_key(flight)), nil
if other then
  local job = redis.call('HMGET', job_key(other), 'status', 'priority', 'result')
  if job[1] == 'completed' then
    word, result = 'cached', job[3]
  elseif (job[1] == 'running' or job[1] == 'queued' and RANK[job[2]] <= RANK[fields.priority])
      and redis.call('ZCARD', followers_key(other)) < FOLLOWERS_AT_MOST then
    word = 'shared'
  end
end

local length = length_of(model)
if word == 'queued' and length >= limit then return {'full', length} end

local now = now_ms()
local key = job_key(id)
local place = redis.call('INCR', root .. ':places')
redis.call('HSET', key, 'status', 'queued', 'stage', 'queued', 'created_ms', now, 'place', place, unpack(ARGV, 13))
redis.call('ZADD', root .. ':account:' .. account, place, id)
redis.call('SADD', models, model)
if idem then
  redis.call('HSET', idem, 'id', id, 'digest', ARGV[7])
  redis.call('PEXPIRE', idem, ARGV[8])
end
if fields.upload then refer(fields.upload, id, '+inf') end
emit(id, 'queued', now)

if word == 'cached' then
  redis.call('HSET', key, 'started_ms', now, 'first_ms', now, 'result', result)
  refer(cjson.decode(result).key, id, now + ttl_s * 1000)
  close(id, 'completed', now, ttl_s)
  redis.call('SET', flight_key(flight), id, 'EX', ttl_s)
  return {word, now}
end
if ttl_ms ~= '' then redis.call('ZADD', deadlines, now + ttl_ms, id) end
if word == 'shared' then
  redis.call('HSET', key, 'leader', other)
  redis.call('ZADD', followers_key(other), place, id)
  local ahead = redis.call('HMGET', job_key(other), 'status', 'worker', 'attempt', 'started_ms', 'stage', 'step', 'steps')
  redis.call('HSET', key, 'attempt', ahead[3] or 0)
  if ahead[1] == 'running' then
    redis.call('HSET', key, 'status', 'running', 'worker', ahead[2], 'started_ms', ahead[4],
      'stage', ahead[5], 'step', ahead[6] or 0, 'steps', ahead[7] or 0, 'first_ms', now)
    redis.call('ZREM', deadlines, id)
    if fields.timeout_ms then redis.call('ZADD', deadlines, now + fields.timeout_ms, id) end
    emit(id, 'started', now, 'attempt', ahead[3], 'worker', ahead[2])
    announce(id, 'started', now)
  end
  return {word, now}
end
redis.call('HSET', key, 'turn', next_turn(model, fields.priority, account))
enqueue(id)
if ARGV[11] ~= '' then redis.call('LPUSH', ARGV[11], ARGV[12]) end
if flight ~= '' then redis.call('SET', flight_key(flight), id) end
return {word, now, standing_of(id)}
