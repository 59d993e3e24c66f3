-- include: common, dependencies, lifecycle
-- ARGV: id, attempt, lease_ms, stage, step, steps, ttl_s, timeout error   ->  'ok' | the job's status | nil
local id, status = held_by(ARGV[1], ARGV[2])
if not id then return status end
local now = now_ms()
local stage, step, steps = ARGV[4], ARGV[5], ARGV[6]
redis.call('ZADD', leases, now + tonumber(ARGV[3]), id)
local before = redis.call('HMGET', job_key(id), 'stage', 'step', 'model', 'composition')
local all = shared_by(id)
if before[1] ~= stage or before[2] ~= step then
  if not before[4] then count('steps|' .. before[3], math.max(0, step - (before[2] or 0))) end
  for _, each in ipairs(all) do
    redis.call('HSET', job_key(each), 'stage', stage, 'step', step, 'steps', steps)
    emit(each, 'progress', now, 'step', step, 'steps', steps, 'stage', stage)
    advance_whole(each, now)
  end
end
for _, each in ipairs(all) do
  local deadline = redis.call('ZSCORE', deadlines, each)
  if deadline and tonumber(deadline) <= now then time_out(each, now, ARGV[7], '', ARGV[8]) end
end
id, status = held_by(ARGV[1], ARGV[2])
return id and 'ok' or status
