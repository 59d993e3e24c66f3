-- include: common, fair_queue
-- ARGV: model   ->  {now_ms, jobs waiting, audio ms waiting, {"audio:run", ...}, {audio_ms, started_ms, step, steps, ...}}
-- What an estimate of the waiting time is made from: the last finished jobs, and those that run, without those of a
-- drained worker: nothing follows them there.
local model = ARGV[1]
local running = {}
for _, id in ipairs(redis.call('ZRANGE', active_key(model), 0, 255)) do
  local worker = redis.call('HGET', job_key(id), 'worker')
  if redis.call('SISMEMBER', root .. ':drained', worker or '') == 0 then
    for _, value in ipairs(redis.call('HMGET', job_key(id), 'audio_ms', 'started_ms', 'step', 'steps')) do
      table.insert(running, tonumber(value or 0))
    end
  end
end
local audio_ms = tonumber(redis.call('HGET', turns_key(model), 'audio_ms') or 0)
return {now_ms(), length_of(model), audio_ms, redis.call('LRANGE', root .. ':pace:' .. model, 0, -1), running}
