-- include: keys, records, fair_queue
-- ARGV: most   ->  how many.  Takes jobs that a version before schema 2 put in line into today's line.
local moved = 0
for _, model in ipairs(redis.call('SMEMBERS', models_key)) do
  local before = old_queue_key(model)
  for _, id in ipairs(redis.call('ZRANGE', before, 0, ARGV[1] - 1)) do
    local job = read_fields(job_key(id), 'status', 'account', 'request')
    if job.status == 'queued' then
      local seconds = cjson.decode(job.request).duration or 0
      redis.call('HSET', job_key(id), 'priority', 'normal', 'audio_ms', math.floor(seconds * 1000 + 0.5),
        'turn', next_finish_time(model, 'normal', job.account))
      enqueue(id)
      moved = moved + 1
    end
    redis.call('ZREM', before, id)
  end
end
return moved
