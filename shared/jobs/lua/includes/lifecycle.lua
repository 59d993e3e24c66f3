-- include: common, fair_queue, concurrency_limits, dependencies
-- How an attempt, and a job, ends. A job may have followers: equal requests of its account that share its generation.
-- They are told what it is told, and end with it; when it leaves alone (cancelled, out of time) one of them takes over.

local function shared_by(id)
  local all = redis.call('ZRANGE', followers_key(id), 0, -1)
  table.insert(all, 1, id)
  return all
end

-- The attempt is over: its lease and its slot are free. Whoever calls this lets the account's next one in.
local function release(id, model, worker)
  redis.call('SREM', runs_key(redis.call('HGET', job_key(id), 'account')), id)
  redis.call('ZREM', leases, id)
  redis.call('ZREM', active_key(model), id)
  if worker then redis.call('HDEL', running_key(worker), id) end
end

-- End one job for good. `...` are field, value pairs. The record stays readable for ttl_s.
local function close(id, status, now, ttl_s, ...)
  local key = job_key(id)
  local whole = open_whole(id)
  redis.call('HSET', key, 'status', status, 'finished_ms', now, ...)
  local job = redis.call('HMGET', key, 'model', 'upload', 'flight', 'attempt', 'error', 'batch', 'beginning',
    'chunks_ttl_s')
  redis.call('ZREM', deadlines, id)
  if job[6] then
    -- its batch outlives its record: it must be readable until ttl_s after the last one's end
    redis.call('HSET', batch_key(job[6]), id, status)
    if redis.call('HINCRBY', batch_key(job[6]), 'open', -1) == 0 then redis.call('EXPIRE', batch_key(job[6]), ttl_s) end
  end
  if job[2] then refer(job[2], id, now + ttl_s * 1000) end
  if job[7] then refer_all(job[7], id, now + ttl_s * 1000) end
  if job[3] and status ~= 'completed' and redis.call('GET', flight_key(job[3])) == id then
    redis.call('DEL', flight_key(job[3]))
  end
  if status == 'failed' then
    emit(id, status, now, 'code', cjson.decode(job[5]).code)
  else
    emit(id, status, now, 'attempt', job[4] or 0)
  end
  if job[8] then redis.call('EXPIRE', chunks_key(id), job[8]) end
  announce(id, status, now)
  count('jobs|' .. job[1] .. '|' .. status)
  if whole then
    keep_part(id, now)
    advance_whole(id, now)
  else
    redis.call('EXPIRE', key, ttl_s)
    redis.call('EXPIRE', events_key(id), ttl_s)
  end
  settle(id, status, now, ttl_s)
  end_parts(id, status, now, ttl_s)
end

-- End a job and all that share it.
local function close_all(id, status, now, ttl_s, ...)
  local model, worker = unpack(redis.call('HMGET', job_key(id), 'model', 'worker'))
  release(id, model, worker)
  local all = shared_by(id)
  redis.call('DEL', followers_key(id))
  for _, each in ipairs(all) do  -- one of them may be a part of what ended with another
    if unfinished(redis.call('HGET', job_key(each), 'status')) then close(each, status, now, ttl_s, ...) end
  end
  let_in(redis.call('HGET', job_key(id), 'account'))
end

-- The first follower takes the place in line, or the running attempt, of a job that leaves. Whoever writes for that
-- attempt still calls it by the old name: `successor` leads on.
local function promote(id, heir, status, model, worker, ttl_s)
  local key, heir_key = job_key(id), job_key(heir)
  redis.call('ZREM', followers_key(id), heir)
  if redis.call('EXISTS', followers_key(id)) == 1 then redis.call('RENAME', followers_key(id), followers_key(heir)) end
  for _, each in ipairs(redis.call('ZRANGE', followers_key(heir), 0, -1)) do
    redis.call('HSET', job_key(each), 'leader', heir)
  end
  redis.call('HDEL', heir_key, 'leader')
  if status == 'queued' then dequeue(id) end
  if redis.call('EXISTS', chunks_key(id)) == 1 then redis.call('RENAME', chunks_key(id), chunks_key(heir)) end
  for _, field in ipairs({'priority', 'place', 'turn', 'failures', 'deaths', 'mark', 'chunk', 'chunks_ttl_s'}) do
    local value = redis.call('HGET', key, field)
    if value then redis.call('HSET', heir_key, field, value) end
  end
  if status == 'queued' then
    enqueue(heir)
  else
    redis.call('SADD', runs_key(redis.call('HGET', heir_key, 'account')), heir)
    redis.call('ZADD', leases, redis.call('ZSCORE', leases, id), heir)
    redis.call('ZADD', active_key(model), redis.call('ZSCORE', active_key(model), id), heir)
    redis.call('HSET', running_key(worker), heir, redis.call('HGET', running_key(worker), id))
    redis.call('SET', successor_key(id), heir, 'EX', ttl_s)
    release(id, model, worker)
  end
  redis.call('SET', flight_key(redis.call('HGET', heir_key, 'flight')), heir)
end

-- End this job only, whoever shares it.
step_out = function(id, new, now, ttl_s, ...)
  local status, leader, model, worker = unpack(redis.call('HMGET', job_key(id), 'status', 'leader', 'model', 'worker'))
  local heir = redis.call('ZRANGE', followers_key(id), 0, 0)[1]
  if leader then
    redis.call('ZREM', followers_key(leader), id)
  elseif heir then
    promote(id, heir, status, model, worker, ttl_s)
  elseif status == 'queued' then
    if not unhold(id) then dequeue(id) end
  else
    release(id, model, worker)
  end
  close(id, new, now, ttl_s, ...)
  let_in(redis.call('HGET', job_key(id), 'account'))
end

-- Out of time: it did not begin within its ttl_s, or did not end within its timeout_s.
local function time_out(id, now, ttl_s, expired_error, timeout_error)
  local begun = redis.call('HEXISTS', job_key(id), 'first_ms') == 1
  step_out(id, 'failed', now, ttl_s, 'error', begun and timeout_error or expired_error)
end

-- Put a running job back where it came from: its place in line and its turn are its first arrival's.
local function requeue(id, now, reason, code)
  local model, worker = unpack(redis.call('HMGET', job_key(id), 'model', 'worker'))
  release(id, model, worker)
  for _, each in ipairs(shared_by(id)) do
    redis.call('HSET', job_key(each), 'status', 'queued', 'stage', 'queued', 'step', 0, 'steps', 0)
    redis.call('HDEL', job_key(each), 'worker', 'started_ms')
    emit(each, 'requeued', now, 'reason', reason, 'code', code)
  end
  enqueue(id)
  let_in(redis.call('HGET', job_key(id), 'account'))  -- none before it: what comes back counts as in line
  count('attempts|' .. model .. '|' .. reason)
end

-- One attempt went wrong: try again while attempts are left, else fail. Returns the new status.
local function attempt_failed(id, now, max_attempts, ttl_s, attempt_error, final_error, reason)
  local failures = redis.call('HINCRBY', job_key(id), 'failures', 1)
  if failures >= max_attempts then
    count('attempts|' .. redis.call('HGET', job_key(id), 'model') .. '|' .. reason)
    close_all(id, 'failed', now, ttl_s, 'error', final_error)
    return 'failed'
  end
  redis.call('HSET', job_key(id), 'error', attempt_error)
  requeue(id, now, reason, cjson.decode(attempt_error).code)
  return 'queued'
end

-- The job that this attempt runs, or nil when it holds none any more: the fence that a late attempt cannot pass.
-- Also the status and attempt of what it last ran.
local function held_by(id, attempt)
  local job = redis.call('HMGET', job_key(id), 'status', 'attempt')
  while job[1] ~= 'running' do
    local heir = redis.call('GET', successor_key(id))
    if not heir then break end
    id = heir
    job = redis.call('HMGET', job_key(id), 'status', 'attempt')
  end
  return job[1] == 'running' and job[2] == attempt and id or nil, job[1], job[2]
end
