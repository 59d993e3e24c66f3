-- ARGV: id, attempt, lease_ms, stage, step, steps   ->  'ok' | the job's status | nil
local held, status = holds(ARGV[1], ARGV[2])
if not held then return status end
redis.call('HSET', job_key(ARGV[1]), 'stage', ARGV[4], 'step', ARGV[5], 'steps', ARGV[6])
redis.call('ZADD', leases, now_ms() + tonumber(ARGV[3]), ARGV[1])
return 'ok'
