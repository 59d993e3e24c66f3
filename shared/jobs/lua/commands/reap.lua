-- include: keys, records, concurrency_limits, dependencies, finish, attempts
-- ARGV: max_attempts, ttl_s, lost error, final error, expired error, timeout error, lease_ms, most
--       ->  {id, new status, ...}
-- Ends the jobs that are out of time, and takes back those whose lease has run out. Whoever was alone in its worker is
-- suspect: that counts as a failure. Who died in a cohort is not charged, but runs apart from those it died with. After
-- its second death, of either kind, a job runs alone. So a poison job uses up nobody else's attempts, and is found out.
local max_attempts, ttl_s, lease_ms, most = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[7]), ARGV[8]
local now, moved = now_ms(), {}
local ACCOUNTS_AT_ONCE, BLOCKED_AT_ONCE = 50, 50

local function note_moved(id)
  table.insert(moved, id)
  table.insert(moved, redis.call('HGET', job_key(id), 'status'))
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', deadlines_key, '-inf', now, 'LIMIT', 0, most)) do
  if is_unfinished(redis.call('HGET', job_key(id), 'status')) then
    time_out(id, now, ttl_s, ARGV[5], ARGV[6])
    note_moved(id)
  else
    redis.call('ZREM', deadlines_key, id)
  end
end

-- The name of the cohort that died with this worker, nil when the job was alone. Its jobs' leases end one by one.
local function cohort_of(worker)
  local key = cohort_key(worker)
  local name = redis.call('GET', key)
  if not name and redis.call('HLEN', worker_running_key(worker)) > 1 then name = worker .. '@' .. now end
  if name then redis.call('SET', key, name, 'PX', 2 * lease_ms) end
  return name
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases_key, '-inf', now, 'LIMIT', 0, most)) do
  local job = read_fields(job_key(id), 'status', 'worker')
  if job.status == 'running' then
    local cohort = cohort_of(job.worker)
    local deaths = redis.call('HINCRBY', job_key(id), 'deaths', 1)
    redis.call('HSET', job_key(id), 'mark', deaths < 2 and cohort or deaths >= 2 and 'alone' or '')
    if cohort then
      redis.call('HSET', job_key(id), 'error', ARGV[3])
      requeue(id, now, 'lost', cjson.decode(ARGV[3]).code)
    else
      fail_attempt(id, now, max_attempts, ttl_s, ARGV[3], ARGV[4], 'lost')
    end
    note_moved(id)
    if moved[#moved] == 'failed' then redis.call('ZADD', dead_letters_key, now, id) end
  else
    redis.call('ZREM', leases_key, id)
  end
end

-- An older version's worker knows no limits: what it ended still counts as running here.
for _, account in ipairs(redis.call('SRANDMEMBER', parked_accounts_key, ACCOUNTS_AT_ONCE)) do
  for _, id in ipairs(redis.call('SMEMBERS', account_running_key(account))) do
    if redis.call('HGET', job_key(id), 'status') ~= 'running' then
      redis.call('SREM', account_running_key(account), id)
    end
  end
  admit(account)
end

-- What an older version's scripts ended, they told nobody.
for _, id in ipairs(redis.call('SRANDMEMBER', blocked_key, BLOCKED_AT_ONCE)) do
  if redis.call('HGET', job_key(id), 'status') ~= 'queued' then
    unblock(id)
  else
    for _, other in ipairs(redis.call('SMEMBERS', blockers_key(id))) do
      local status = redis.call('HGET', job_key(other), 'status')
      if not is_unfinished(status) then settle(other, status, now, ttl_s) end
    end
  end
end
return moved
