-- include: common, fair_queue
-- ARGV: most   ->  how many.  Takes jobs that a version before schema 2 put in line into today's line.
local adopted = 0
for _, model in ipairs(redis.call('SMEMBERS', models)) do
  local before = root .. ':waiting:' .. model
  for _, id in ipairs(redis.call('ZRANGE', before, 0, ARGV[1] - 1)) do
    local job = redis.call('HMGET', job_key(id), 'status', 'account', 'request')
    if job[1] == 'queued' then
      local seconds = cjson.decode(job[3]).duration or 0
      redis.call('HSET', job_key(id), 'priority', 'normal', 'audio_ms', math.floor(seconds * 1000 + 0.5),
        'turn', next_turn(model, 'normal', job[2]))
      enqueue(id)
      adopted = adopted + 1
    end
    redis.call('ZREM', before, id)
  end
end
return adopted
