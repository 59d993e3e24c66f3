-- ARGV: id, attempt, max_attempts, ttl_s, error   ->  {'ok', new status} | {'stale', status}
local held, status = holds(ARGV[1], ARGV[2])
if not held then return {'stale', status or ''} end
local new = attempt_failed(ARGV[1], now_ms(), tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[5])
return {'ok', new}
