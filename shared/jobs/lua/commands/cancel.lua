-- include: keys, records, finish
-- ARGV: id, ttl_s   ->  {status before | nil, status after}
local status = redis.call('HGET', job_key(ARGV[1]), 'status')
if not is_unfinished(status) then return {status, status} end
finish(ARGV[1], 'cancelled', now_ms(), ARGV[2])
return {status, 'cancelled'}
