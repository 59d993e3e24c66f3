-- ARGV: max_attempts, ttl_s, attempt_error, final_error, most   ->  {id, new status, ...}
-- Takes back the jobs whose lease has run out.
local now = now_ms()
local moved = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, ARGV[5])) do
  if redis.call('HGET', job_key(id), 'status') == 'running' then
    local status = attempt_failed(id, now, tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4])
    table.insert(moved, id)
    table.insert(moved, status)
  else
    redis.call('ZREM', leases, id)
  end
end
return moved
