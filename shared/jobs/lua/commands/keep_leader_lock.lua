-- ARGV: the lock's key, owner, ttl_ms   ->  1 when the lock is this owner's until then, 0 when it is another's
local key, owner, ttl_ms = ARGV[1], ARGV[2], ARGV[3]
if redis.call('SET', key, owner, 'NX', 'PX', ttl_ms) then return 1 end
if redis.call('GET', key) ~= owner then return 0 end
redis.call('PEXPIRE', key, ttl_ms)
return 1
