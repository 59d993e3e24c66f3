-- include: keys, records, events, compositions, leases, single_flight, finish
-- ARGV: id, attempt, lease_ms, stage, step, steps, ttl_s, timeout error   ->  'ok' | the job's status | nil
local id, status = owned_by(ARGV[1], ARGV[2])
if not id then return status end
local now = now_ms()
local stage, step, steps = ARGV[4], ARGV[5], ARGV[6]
redis.call('ZADD', leases_key, now + tonumber(ARGV[3]), id)
local before = read_fields(job_key(id), 'stage', 'step', 'model', 'composition')
local all = generation_of(id)
if before.stage ~= stage or before.step ~= step then
  if not before.composition then count('steps|' .. before.model, math.max(0, step - (before.step or 0))) end
  for _, each in ipairs(all) do
    redis.call('HSET', job_key(each), 'stage', stage, 'step', step, 'steps', steps)
    log_event(each, 'progress', now, 'step', step, 'steps', steps, 'stage', stage)
    advance_composition(each, now)
  end
end
local timed_out = false
for _, each in ipairs(all) do
  local deadline = redis.call('ZSCORE', deadlines_key, each)
  if deadline and tonumber(deadline) <= now then
    time_out(each, now, ARGV[7], '', ARGV[8])
    timed_out = true
  end
end
if timed_out then id, status = owned_by(ARGV[1], ARGV[2]) end
return id and 'ok' or status
