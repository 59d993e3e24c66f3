-- include: keys, records, events, fair_queue, begin, leases
-- Single flight: equal requests of an account share one generation, that of the primary; the others are its duplicates.
-- They are told what it is told, and end with it; when it leaves alone (cancelled, out of time) one of them takes over.
-- A duplicate's record names its primary as `leader`.
local DUPLICATES_AT_MOST = 100
local RANK = {high = 1, normal = 2, low = 3}

-- The job and its duplicates.
local function generation_of(id)
  local all = redis.call('ZRANGE', duplicates_key(id), 0, -1)
  table.insert(all, 1, id)
  return all
end

-- Coalesce equal requests: a job whose music is being made shares that generation, one whose music is kept is given the
-- result, and so is one that names the job whose result it is to have. The job gets its `word`: 'queued', 'shared' (and its primary's id) or 'cached' (and the `result`).
-- `primaries`: cache key -> {id, rank, duplicates} of those who make it, the jobs coalesced before this one included.
-- `gone`: the blobs that are no more. A blocked job is given what is made, but shares nothing that is being made: it may
-- fail before that does. Writes nothing.
local function coalesce(job, primaries, gone)
  job.word = 'queued'
  if job.result_of then
    local made = read_fields(job_key(job.result_of), 'result', 'worker')
    job.word, job.result, job.worker = 'cached', made.result, made.worker
  end
  if job.cache_key == '' then return end
  local primary = primaries[job.cache_key]
  local other = not primary and redis.call('GET', single_flight_key(job.cache_key))
  if other then
    local made = read_fields(job_key(other), 'status', 'priority', 'result', 'worker')
    if made.status == 'completed' and not gone[cjson.decode(made.result).key] then
      job.word, job.result, job.worker = 'cached', made.result, made.worker
      return
    elseif is_unfinished(made.status) and not job.after then
      local rank = made.status == 'running' and 0 or RANK[made.priority]
      primary = {id = other, rank = rank, duplicates = redis.call('ZCARD', duplicates_key(other))}
    end
  end
  if job.after then return end
  if primary and primary.rank <= RANK[job.priority] and primary.duplicates < DUPLICATES_AT_MOST then
    job.word, job.primary = 'shared', primary.id
    primary.duplicates = primary.duplicates + 1
  else
    primary = {id = job.id, rank = RANK[job.priority], duplicates = 0}
  end
  primaries[job.cache_key] = primary
end

-- Put a new duplicate behind its primary: as far as that one is.
local function attach_duplicate(job, key, arrival_seq, now)
  redis.call('HSET', key, 'leader', job.primary)
  redis.call('ZADD', duplicates_key(job.primary), arrival_seq, job.id)
  local primary = read_fields(job_key(job.primary),
    'status', 'worker', 'attempt', 'started_ms', 'stage', 'step', 'steps')
  redis.call('HSET', key, 'attempt', primary.attempt or 0)
  if primary.status == 'running' then
    redis.call('HSET', key, 'status', 'running', 'worker', primary.worker, 'started_ms', primary.started_ms,
      'stage', primary.stage, 'step', primary.step or 0, 'steps', primary.steps or 0)
    log_event(job.id, 'started', now, 'attempt', primary.attempt, 'worker', primary.worker)
    begin(job.id, now)
  end
end

-- The first duplicate takes the place in line, or the running attempt, of a job that leaves. Whoever writes for that
-- attempt still calls it by the old name: `successor` leads on.
local function promote(id, heir, status, model, worker, ttl_s)
  local key, heir_key = job_key(id), job_key(heir)
  redis.call('ZREM', duplicates_key(id), heir)
  if redis.call('EXISTS', duplicates_key(id)) == 1 then redis.call('RENAME', duplicates_key(id), duplicates_key(heir)) end
  for _, each in ipairs(redis.call('ZRANGE', duplicates_key(heir), 0, -1)) do
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
    redis.call('SADD', account_running_key(redis.call('HGET', heir_key, 'account')), heir)
    redis.call('ZADD', leases_key, redis.call('ZSCORE', leases_key, id), heir)
    redis.call('ZADD', model_running_key(model), redis.call('ZSCORE', model_running_key(model), id), heir)
    redis.call('HSET', worker_running_key(worker), heir, redis.call('HGET', worker_running_key(worker), id))
    redis.call('SET', successor_key(id), heir, 'EX', ttl_s)
    release_lease(id, model, worker)
  end
  redis.call('SET', single_flight_key(redis.call('HGET', heir_key, 'flight')), heir)
end
