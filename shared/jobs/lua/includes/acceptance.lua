-- include: keys, records, events, blob_refs, fair_queue, concurrency_limits, compositions, dependencies, single_flight, finish
-- How jobs are accepted: what submit.lua and submit_batch.lua share. Of the arguments, the first eight are the same:
--   account, limit, ttl_s, idempotency key | '', digest, its ttl_ms, blob keys that are gone (a JSON list),
--   how many of the account's jobs may run at once | 0 for no limit | '' for as many as before;
-- and each job is so many: id, model, cache key | '', ttl_ms | '', ticket's queue | '', ticket, how many follow, field,
-- value, ... The fields hold priority and all else that does not depend on the moment. `after`: ids with a space
-- between, of jobs that arrived before it, in this call too.
local account, limit, ttl_s = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local idempotency = ARGV[4] ~= '' and idempotency_key(account, ARGV[4])
local gone = {}
local LISTED_AT_MOST, TRIMMED_EVERY = 100000, 256  -- of all jobs, for operators
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

-- The refusal of a job that is to wait for one that will never complete, or to have the result of one that has not;
-- nil when there is none.
local function missing_predecessor(jobs)
  local here = {}
  for _, job in ipairs(jobs) do
    local made = job.result_of and redis.call('HGET', job_key(job.result_of), 'status')
    if job.result_of and made ~= 'completed' then return {'lacking', job.result_of, made or 'gone'} end
    for _, other in ipairs(split_ids(job.after)) do
      local status = here[other] or redis.call('HGET', job_key(other), 'status')
      if not is_unfinished(status) and status ~= 'completed' then return {'lacking', other, status or 'gone'} end
    end
    here[job.id] = 'queued'
  end
end

-- The refusal of a job that is to run again what did not fail, or what has run again already unless that failed too;
-- nil when there is none.
local function needless_retry(jobs)
  for _, job in ipairs(jobs) do
    if job.retry_of then
      local first = read_fields(job_key(job.retry_of), 'status', 'retried_as')
      if first.status ~= 'failed' then return {'unfailed', job.retry_of, first.status or 'gone'} end
      local later = first.retried_as and redis.call('HGET', job_key(first.retried_as), 'status')
      if is_unfinished(later) or later == 'completed' then return {'retried', job.retry_of, first.retried_as, later} end
    end
  end
end

-- Its first one names it from now on, and is no dead letter any more.
local function succeed(first, id)
  redis.call('HSET', job_key(first), 'retried_as', id)
  redis.call('ZREM', dead_letters_key, first)
end

-- The refusal when a model's line has no room for those of the jobs that would wait in it; nil when there is none.
-- Blocked jobs count in the length: they come into the line when what they wait for is made.
local function full_queue(jobs)
  local more, named = {}, {}
  for _, job in ipairs(jobs) do
    if job.word == 'queued' then
      if not more[job.model] then table.insert(named, job.model) end
      more[job.model] = (more[job.model] or 0) + 1
    end
  end
  for _, model in ipairs(named) do
    local length = queue_length(model) + tonumber(redis.call('HGET', queue_state_key(model), 'held') or 0)
    if length + more[model] > limit then return {'full', model, length, more[model]} end
  end
end

-- Settle what each job is to be, its `word`, before the first of them is written. The refusal of them all, or nil.
local function prepare(jobs)
  local refusal, primaries = missing_predecessor(jobs) or needless_retry(jobs), {}
  if refusal then return refusal end
  for _, job in ipairs(jobs) do coalesce(job, primaries, gone) end
  set_concurrency_limit()
  return full_queue(jobs)
end

-- Answered from a result that is kept: it ends as it begins.
local function complete_from_cache(job, key, now)
  redis.call('HSET', key, 'started_ms', now, 'first_ms', now, 'result', job.result)
  if job.worker then redis.call('HSET', key, 'worker', job.worker) end  -- who made it
  refer_result(cjson.decode(job.result).key, job.id, now + ttl_s * 1000)
  close(job.id, 'completed', now, ttl_s)
  if job.cache_key ~= '' then redis.call('SET', single_flight_key(job.cache_key), job.id, 'EX', ttl_s) end
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
    if job.queue ~= '' then redis.call('LPUSH', job.queue, job.ticket) else push_ticket(job.model) end
  end
  if job.cache_key ~= '' then redis.call('SET', single_flight_key(job.cache_key), job.id) end
end

-- On record, and where its word says: in line with a ticket, behind its primary, or at its end.
local function accept(job, now)
  local id, key = job.id, job_key(job.id)
  local arrival_seq = redis.call('INCR', arrivals_key)
  redis.call('HSET', key, 'status', 'queued', 'stage', 'queued', 'created_ms', now, 'place', arrival_seq,
    unpack(ARGV, job.first, job.last))
  if not job.whole then redis.call('ZADD', account_jobs_key(account), arrival_seq, id) end
  redis.call('ZADD', all_jobs_key, arrival_seq, id)
  if arrival_seq % TRIMMED_EVERY == 0 then redis.call('ZREMRANGEBYRANK', all_jobs_key, 0, -1 - LISTED_AT_MOST) end
  redis.call('SADD', models_key, job.model)
  if job.upload then refer(job.upload, id, '+inf') end
  if job.beginning then refer_all(job.beginning, id, '+inf') end
  if job.retry_of then succeed(job.retry_of, id) end
  log_event(id, 'queued', now)
  if job.word == 'cached' then return complete_from_cache(job, key, now) end
  if job.ttl_ms ~= '' then redis.call('ZADD', deadlines_key, now + job.ttl_ms, id) end
  if job.word == 'shared' then
    attach_duplicate(job, key, arrival_seq, now)
  else
    enqueue_new(job, key, arrival_seq, now)
  end
  if job.composition then attach_parts(id, now) end
end
