-- ARGV: id, ttl_s   ->  {status before | nil, status after}
local status, model = unpack(redis.call('HMGET', job_key(ARGV[1]), 'status', 'model'))
if status ~= 'queued' and status ~= 'running' then return {status, status} end
redis.call('ZREM', waiting_key(model), ARGV[1])
close(ARGV[1], 'cancelled', now_ms(), ARGV[2])
return {status, 'cancelled'}
