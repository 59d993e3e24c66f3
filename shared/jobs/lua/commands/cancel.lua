-- include: common, dependencies, lifecycle
-- ARGV: id, ttl_s   ->  {status before | nil, status after}
local status = redis.call('HGET', job_key(ARGV[1]), 'status')
if not unfinished(status) then return {status, status} end
step_out(ARGV[1], 'cancelled', now_ms(), ARGV[2])
return {status, 'cancelled'}
