-- include: keys, records, fair_queue
-- ARGV: model   ->  {now_ms, jobs waiting, audio ms waiting, {"audio:run", ...}, {the values of RUN_FIELDS, ...}}
-- What an estimate of the waiting time is made from: the last finished jobs, and those that run, without those of a
-- drained worker: nothing follows them there.
local RUN_FIELDS = {'audio_ms', 'started_ms', 'step', 'steps'}
local MOST_RUNS = 256
local model = ARGV[1]
local running = {}
for _, id in ipairs(redis.call('ZRANGE', model_running_key(model), 0, MOST_RUNS - 1)) do
  local worker = redis.call('HGET', job_key(id), 'worker')
  if redis.call('SISMEMBER', drained_key, worker or '') == 0 then
    for _, value in ipairs(redis.call('HMGET', job_key(id), unpack(RUN_FIELDS))) do
      table.insert(running, tonumber(value or 0))
    end
  end
end
local audio_ms = tonumber(redis.call('HGET', queue_state_key(model), 'audio_ms') or 0)
return {now_ms(), queue_length(model), audio_ms, redis.call('LRANGE', throughput_key(model), 0, -1), running}
