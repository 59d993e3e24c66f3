-- include: keys, records, minutes, events, blob_refs, leases, single_flight, finish
-- ARGV: id, attempt, ttl_s, result, blob key, fingerprint   ->  'ok' | the job's status | nil
local RUNS_KEPT = 32  -- of a model, for the estimate of waiting times, and of a worker
local WORKER_RUNS_KEPT_S = 86400
local id, status, attempt = owned_by(ARGV[1], ARGV[2])
if not id then
  -- the answer to this very call may have been lost on its way: asked again, it is the same answer
  return status == 'completed' and attempt == ARGV[2] and 'ok' or status
end
local now, ttl_s = now_ms(), ARGV[3]
local job = read_fields(job_key(id), 'model', 'audio_ms', 'started_ms', 'flight', 'fingerprint', 'step', 'steps',
  'composition', 'request', 'worker')
for _, each in ipairs(generation_of(id)) do
  redis.call('HDEL', job_key(each), 'error')
  refer_result(ARGV[5], each, now + ttl_s * 1000)
end
finish_generation(id, 'completed', now, ttl_s, 'result', ARGV[4])
count('attempts|' .. job.model .. '|completed')
local made = cjson.decode(ARGV[4])
local generation_ms = math.floor(made.generation_time_s * 1000 + 0.5)
if job.composition then  -- mixed, not made: it tells nothing of the engine
  count('mixes|' .. job.model)
  count('mix_ms|' .. job.model, generation_ms)
else
  for _, throughput in ipairs({throughput_key(job.model), worker_throughput_key(job.worker)}) do
    redis.call('LPUSH', throughput, job.audio_ms .. ':' .. (now - job.started_ms))
    redis.call('LTRIM', throughput, 0, RUNS_KEPT - 1)
  end
  redis.call('EXPIRE', worker_throughput_key(job.worker), WORKER_RUNS_KEPT_S)
  count('steps|' .. job.model, math.max(0, (job.steps or 0) - (job.step or 0)))  -- those since the last renewal
  local head_ms = (cjson.decode(job.request).duration or 0) * 1000 - job.audio_ms  -- what it went on from was there before
  local audio_ms = math.max(0, math.floor(made.duration_s * 1000 - head_ms + 0.5))
  count('audio_ms|' .. job.model, audio_ms)
  count_minute('audio_ms|' .. job.model, audio_ms)
  count('engine_ms|' .. job.model, generation_ms)
end
if job.flight then
  -- made by something else than what the request was to share: nobody else is given it
  local key = single_flight_key(job.flight)
  if job.fingerprint == ARGV[6] then redis.call('EXPIRE', key, ttl_s) else redis.call('DEL', key) end
end
return 'ok'
