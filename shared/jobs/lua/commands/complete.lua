-- include: common, lifecycle
-- ARGV: id, attempt, ttl_s, result, blob key, fingerprint   ->  'ok' | the job's status | nil
local id, status, attempt = held_by(ARGV[1], ARGV[2])
if not id then
  -- the answer to this very call may have been lost on its way: asked again, it is the same answer
  return status == 'completed' and attempt == ARGV[2] and 'ok' or status
end
local now, ttl_s = now_ms(), ARGV[3]
local job = redis.call('HMGET', job_key(id), 'model', 'audio_ms', 'started_ms', 'flight', 'fingerprint', 'step', 'steps',
  'composition', 'request')
for _, each in ipairs(shared_by(id)) do
  redis.call('HDEL', job_key(each), 'error')
  refer_result(ARGV[5], each, now + ttl_s * 1000)
end
close_all(id, 'completed', now, ttl_s, 'result', ARGV[4])
count('attempts|' .. job[1] .. '|completed')
local made = cjson.decode(ARGV[4])
if job[8] then  -- mixed, not made: it tells nothing of the engine
  count('mixes|' .. job[1])
  count('mix_ms|' .. job[1], math.floor(made.generation_time_s * 1000 + 0.5))
else
  local pace = root .. ':pace:' .. job[1]
  redis.call('LPUSH', pace, job[2] .. ':' .. (now - job[3]))
  redis.call('LTRIM', pace, 0, 31)
  count('steps|' .. job[1], math.max(0, (job[7] or 0) - (job[6] or 0)))  -- those since the last renewal
  local head_ms = (cjson.decode(job[9]).duration or 0) * 1000 - job[2]  -- what it went on from was there before
  count('audio_ms|' .. job[1], math.max(0, math.floor(made.duration_s * 1000 - head_ms + 0.5)))
  count('engine_ms|' .. job[1], math.floor(made.generation_time_s * 1000 + 0.5))
end
if job[4] then
  -- made by something else than what the request was to share: nobody else is given it
  if job[5] == ARGV[6] then redis.call('EXPIRE', flight_key(job[4]), ttl_s) else redis.call('DEL', flight_key(job[4])) end
end
return 'ok'
