-- include: records, leases, attempts
-- ARGV: id, attempt, max_attempts, ttl_s, error   ->  {'ok', new status} | {'stale', status}
local id, status = owned_by(ARGV[1], ARGV[2])
if not id then return {'stale', status or ''} end
return {'ok', fail_attempt(id, now_ms(), tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[5], 'failed')}
