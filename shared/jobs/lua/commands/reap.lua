-- include: common, concurrency_limits, dependencies, lifecycle
-- ARGV: max_attempts, ttl_s, lost error, final error, expired error, timeout error, lease_ms, most
--       ->  {id, new status, ...}
-- Ends the jobs that are out of time, and takes back those whose lease has run out. Whoever was alone in its worker is
-- suspect: that counts as a failure. Who died in company is not charged, but runs apart from those it died with. After
-- its second death, of either kind, a job runs alone. So a poison job uses up nobody else's attempts, and is found out.
local max_attempts, ttl_s, lease_ms, most = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[7]), ARGV[8]
local now, moved = now_ms(), {}
local ACCOUNTS_AT_ONCE, HELD_AT_ONCE = 50, 50

local function tell(id)
  table.insert(moved, id)
  table.insert(moved, redis.call('HGET', job_key(id), 'status'))
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', deadlines, '-inf', now, 'LIMIT', 0, most)) do
  if unfinished(redis.call('HGET', job_key(id), 'status')) then
    time_out(id, now, ttl_s, ARGV[5], ARGV[6])
    tell(id)
  else
    redis.call('ZREM', deadlines, id)
  end
end

-- The name of the company that died with this worker, nil when the job was alone. Its jobs' leases end one by one.
local function company_of(worker)
  local key = root .. ':company:' .. worker
  local name = redis.call('GET', key)
  if not name and redis.call('HLEN', running_key(worker)) > 1 then name = worker .. '@' .. now end
  if name then redis.call('SET', key, name, 'PX', 2 * lease_ms) end
  return name
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, most)) do
  local status, worker = unpack(redis.call('HMGET', job_key(id), 'status', 'worker'))
  if status == 'running' then
    local company = company_of(worker)
    local deaths = redis.call('HINCRBY', job_key(id), 'deaths', 1)
    redis.call('HSET', job_key(id), 'mark', deaths < 2 and company or deaths >= 2 and 'alone' or '')
    if company then
      redis.call('HSET', job_key(id), 'error', ARGV[3])
      requeue(id, now, 'lost', cjson.decode(ARGV[3]).code)
    else
      attempt_failed(id, now, max_attempts, ttl_s, ARGV[3], ARGV[4], 'lost')
    end
    tell(id)
    if moved[#moved] == 'failed' then redis.call('ZADD', dead, now, id) end
  else
    redis.call('ZREM', leases, id)
  end
end

-- An older version's worker knows no bounds: what it ended still counts as running here.
for _, account in ipairs(redis.call('SRANDMEMBER', asides, ACCOUNTS_AT_ONCE)) do
  for _, id in ipairs(redis.call('SMEMBERS', runs_key(account))) do
    if redis.call('HGET', job_key(id), 'status') ~= 'running' then redis.call('SREM', runs_key(account), id) end
  end
  let_in(account)
end

for _, id in ipairs(redis.call('SRANDMEMBER', held, HELD_AT_ONCE)) do
  if redis.call('HGET', job_key(id), 'status') == 'queued' then look_after(id, now, ttl_s) else unhold(id) end
end
return moved
