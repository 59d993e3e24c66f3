-- include: keys, records, events, blob_refs, fair_queue, concurrency_limits, compositions, dependencies, finish
-- How jobs are accepted: what the submit scripts share. Of the arguments, the first eight are the same in all of them:
--   account, limit, ttl_s, idempotency key | '', digest, its ttl_ms, blob keys that are gone (a JSON list),
--   how many of the account's jobs may run at once | 0 for no limit | '' for as many as before;
-- and each job is so many: id, model, cache key | '', ttl_ms | '', ticket's queue | '', ticket, how many follow, field,
-- value, ... The fields hold priority and all else that does not depend on the moment. `after`: ids with a space
-- between, of jobs that arrived before it, in this call too.
local account, limit, ttl_s = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local idempotency = ARGV[4] ~= '' and idempotency_key(account, ARGV[4])
local DUPLICATES_AT_MOST = 100
local RANK = {high = 1, normal = 2, low = 3}
local gone = {}
for _, blob in ipairs(cjson.decode(ARGV[7])) do gone[blob] = true end

-- The id, of a job or a batch, that was submitted before under this key, and whether it was the same request.
local function submitted_before()
  if not idempotency then return nil end
  local before = read_fields(idempotency, 'id', 'digest')
  if before.id and redis.call('EXISTS', job_key(before.id), batch_key(before.id)) == 1 then
    return before.id, before.digest == ARGV[5] and 'replayed' or 'conflict'
  end
end

local function set_concurrency_limit()
  local most = ARGV[8]
  if most == '' or most == (redis.call('HGET', concurrency_limits_key, account) or '0') then return end
  if most == '0' then
    redis.call('HDEL', concurrency_limits_key, account)
  else
    redis.call('HSET', concurrency_limits_key, account, most)
  end
  admit(account)
end

local function keep_idempotency_key(id)
  if not idempotency then return end
  redis.call('HSET', idempotency, 'id', id, 'digest', ARGV[5])
  redis.call('PEXPIRE', idempotency, ARGV[6])
end

-- The jobs written in the arguments from there on.
local function read_jobs(from)
  local jobs = {}
  while from <= #ARGV do
    local last = from + 6 + tonumber(ARGV[from + 6])
    local job = {id = ARGV[from], model = ARGV[from + 1], cache_key = ARGV[from + 2], ttl_ms = ARGV[from + 3],
      queue = ARGV[from + 4], ticket = ARGV[from + 5], first = from + 7, last = last}
    for n = job.first, last, 2 do job[ARGV[n]] = ARGV[n + 1] end
    table.insert(jobs, job)
    from = last + 1
  end
  return jobs
end

-- The refusal of a job that is to wait for one that will never complete; nil when there is none.
local function missing_predecessor(jobs)
  local here = {}
  for _, job in ipairs(jobs) do
    for _, other in ipairs(split_ids(job.after)) do
      local status = here[other] or redis.call('HGET', job_key(other), 'status')
      if not is_unfinished(status) and status ~= 'completed' then return {'lacking', other, status or 'gone'} end
    end
    here[job.id] = 'queued'
  end
end

-- Who makes this music already, or made it? Gives the job its `word`: 'queued', 'shared' (with its primary's id) or
-- 'cached' (with the `result`). `primaries`: cache key -> {id, rank, duplicates} of those who make it, the jobs matched
-- before this one included. A blocked job is given what is made, but shares nothing that is being made: it may fail
-- before that does. Writes nothing.
local function match(job, primaries)
  job.word = 'queued'
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

-- Settle what each job is to be. The refusal when a model's line has no room for those that would wait; else nil.
-- Blocked jobs count in the length: they come into the line when what they wait for is made.
local function match_all(jobs)
  local primaries, more, named = {}, {}, {}
  for _, job in ipairs(jobs) do
    match(job, primaries)
    if job.word == 'queued' then
      if not more[job.model] then table.insert(named, job.model) end
      more[job.model] = (more[job.model] or 0) + 1
    end
  end
  set_concurrency_limit()
  for _, model in ipairs(named) do
    local length = queue_length(model) + tonumber(redis.call('HGET', queue_state_key(model), 'held') or 0)
    if length + more[model] > limit then return {'full', model, length, more[model]} end
  end
end

-- Behind its primary, and as far as that one is.
local function attach_duplicate(job, key, arrival_seq, now)
  redis.call('HSET', key, 'leader', job.primary)
  redis.call('ZADD', duplicates_key(job.primary), arrival_seq, job.id)
  local primary = read_fields(job_key(job.primary),
    'status', 'worker', 'attempt', 'started_ms', 'stage', 'step', 'steps')
  redis.call('HSET', key, 'attempt', primary.attempt or 0)
  if primary.status == 'running' then
    redis.call('HSET', key, 'status', 'running', 'worker', primary.worker, 'started_ms', primary.started_ms,
      'stage', primary.stage, 'step', primary.step or 0, 'steps', primary.steps or 0, 'first_ms', now)
    redis.call('ZREM', deadlines_key, job.id)
    if job.timeout_ms then redis.call('ZADD', deadlines_key, now + job.timeout_ms, job.id) end
    log_event(job.id, 'started', now, 'attempt', primary.attempt, 'worker', primary.worker)
    owe_webhook(job.id, 'started', now)
  end
end

-- Answered from a result that is kept: it ends as it begins.
local function complete_from_cache(job, key, now)
  redis.call('HSET', key, 'started_ms', now, 'first_ms', now, 'result', job.result)
  if job.worker then redis.call('HSET', key, 'worker', job.worker) end  -- who made it
  refer_result(cjson.decode(job.result).key, job.id, now + ttl_s * 1000)
  close(job.id, 'completed', now, ttl_s)
  redis.call('SET', single_flight_key(job.cache_key), job.id, 'EX', ttl_s)
end

-- Blocked by others, or in line with a ticket.
local function enqueue_new(job, key, arrival_seq, now)
  -- the next like it is written by `push_ticket`; all of one kind are of one length
  if job.queue ~= '' and redis.call('HSTRLEN', queue_state_key(job.model), 'ticket') ~= #job.ticket then
    redis.call('HSET', queue_state_key(job.model), 'queue', job.queue, 'ticket', job.ticket)
  end
  if not block(job.id, job.model, arrival_seq, split_ids(job.after)) then
    redis.call('HSET', key, 'turn', next_finish_time(job.model, job.priority, account))
    enqueue_or_park(job.id)
    if job.queue ~= '' then redis.call('LPUSH', job.queue, job.ticket) end
  end
  if job.composition then attach_parts(job.id, now) end
  if job.cache_key ~= '' then redis.call('SET', single_flight_key(job.cache_key), job.id) end
end

-- On record, and where its word says: in line with a ticket, behind its primary, or at its end.
local function accept(job, now)
  local id, key = job.id, job_key(job.id)
  local arrival_seq = redis.call('INCR', arrivals_key)
  redis.call('HSET', key, 'status', 'queued', 'stage', 'queued', 'created_ms', now, 'place', arrival_seq,
    unpack(ARGV, job.first, job.last))
  if not job.whole then redis.call('ZADD', account_jobs_key(account), arrival_seq, id) end
  redis.call('SADD', models_key, job.model)
  if job.upload then refer(job.upload, id, '+inf') end
  if job.beginning then refer_all(job.beginning, id, '+inf') end
  log_event(id, 'queued', now)
  if job.word == 'cached' then return complete_from_cache(job, key, now) end
  if job.ttl_ms ~= '' then redis.call('ZADD', deadlines_key, now + job.ttl_ms, id) end
  if job.word == 'shared' then return attach_duplicate(job, key, arrival_seq, now) end
  enqueue_new(job, key, arrival_seq, now)
end
