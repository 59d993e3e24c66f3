-- ARGV: id, attempt, ttl_s, result   ->  'ok' | the job's status | nil
local held, status = holds(ARGV[1], ARGV[2])
if not held then
  -- the answer to this very call may have been lost on its way: asked again, it is the same answer
  local repeated = status == 'completed' and redis.call('HGET', job_key(ARGV[1]), 'attempt') == ARGV[2]
  return repeated and 'ok' or status
end
redis.call('HDEL', job_key(ARGV[1]), 'error')
close(ARGV[1], 'completed', now_ms(), ARGV[3], 'result', ARGV[4])
return 'ok'
