-- include: keys, records, minutes, events, blob_refs, fair_queue, concurrency_limits, compositions, dependencies, leases, single_flight
-- How a job ends, and all that ends with it, in the same script.

-- Write the end on the job's record and tell it. `...` are field, value pairs. It stays readable for ttl_s.
local function record_end(id, status, now, ttl_s, ...)
  local key = job_key(id)
  local composition = open_composition(id)
  redis.call('HSET', key, 'status', status, 'finished_ms', now, ...)
  local job = read_fields(key, 'model', 'upload', 'flight', 'attempt', 'error', 'batch', 'beginning', 'chunks_ttl_s')
  redis.call('ZREM', deadlines_key, id)
  if job.batch then
    -- its batch outlives its record: it must be readable until ttl_s after the last one's end
    redis.call('HSET', batch_key(job.batch), id, status)
    if redis.call('HINCRBY', batch_key(job.batch), 'open', -1) == 0 then
      redis.call('EXPIRE', batch_key(job.batch), ttl_s)
    end
  end
  if job.upload then refer(job.upload, id, now + ttl_s * 1000) end
  if job.beginning then refer_all(job.beginning, id, now + ttl_s * 1000) end
  if job.flight and status ~= 'completed' and redis.call('GET', single_flight_key(job.flight)) == id then
    redis.call('DEL', single_flight_key(job.flight))
  end
  if status == 'failed' then
    log_event(id, status, now, 'code', cjson.decode(job.error).code)
  else
    log_event(id, status, now, 'attempt', job.attempt or 0)
  end
  if job.chunks_ttl_s then redis.call('EXPIRE', chunks_key(id), job.chunks_ttl_s) end
  owe_webhook(id, status, now)
  count('jobs|' .. job.model .. '|' .. status)
  count_minute(status .. '|' .. job.model, 1)
  if composition then
    keep_part(id, now)
    advance_composition(id, now)
  else
    redis.call('EXPIRE', key, ttl_s)
    redis.call('EXPIRE', events_key(id), ttl_s)
  end
end

-- Out of whatever it was in: its generation, what it waited for, the line, or its attempt.
local function leave(id, ttl_s)
  local job = read_fields(job_key(id), 'status', 'leader', 'model', 'worker')
  local heir = redis.call('ZRANGE', duplicates_key(id), 0, 0)[1]
  if job.leader then
    redis.call('ZREM', duplicates_key(job.leader), id)
  elseif heir then
    promote(id, heir, job.status, job.model, job.worker, ttl_s)
  elseif job.status == 'queued' then
    if not unblock(id) then dequeue(id) end
  else
    release_lease(id, job.model, job.worker)
  end
end

-- What a job's end means for others: those that waited for it come into the line, or end too, each with all that its own
-- end means before the next one's turn. Parts that have ended are kept from now on as any job is.
local function settle(id, status, now, ttl_s)
  if status == 'completed' then unblock_dependents(id, now) end
  local parts = parts_of(id)
  for _, part in ipairs(parts) do
    local state = redis.call('HGET', job_key(part.task_id), 'status')
    if state and not is_unfinished(state) then keep_part(part.task_id, now, ttl_s) end
  end
  for _, each in ipairs(doomed_by(id, status, parts)) do
    if is_unfinished(redis.call('HGET', job_key(each.id), 'status')) then  -- one may have ended with another of them
      leave(each.id, ttl_s)
      record_end(each.id, each.status, now, ttl_s, unpack(each.fields))
      settle(each.id, each.status, now, ttl_s)
      admit(redis.call('HGET', job_key(each.id), 'account'))
    end
  end
end

-- End one job that has left what it was in.
local function close(id, status, now, ttl_s, ...)
  record_end(id, status, now, ttl_s, ...)
  settle(id, status, now, ttl_s)
end

-- End this job only, whoever shares its generation.
local function finish(id, status, now, ttl_s, ...)
  leave(id, ttl_s)
  close(id, status, now, ttl_s, ...)
  admit(redis.call('HGET', job_key(id), 'account'))
end

-- End a running job and its duplicates.
local function finish_generation(id, status, now, ttl_s, ...)
  local job = read_fields(job_key(id), 'model', 'worker')
  release_lease(id, job.model, job.worker)
  local all = generation_of(id)
  redis.call('DEL', duplicates_key(id))
  for _, each in ipairs(all) do  -- one of them may be a part of what ended with another
    if is_unfinished(redis.call('HGET', job_key(each), 'status')) then close(each, status, now, ttl_s, ...) end
  end
  admit(redis.call('HGET', job_key(id), 'account'))
end

-- Out of time: it did not begin within its ttl_s, or did not end within its timeout_s.
local function time_out(id, now, ttl_s, expired_error, timeout_error)
  local begun = redis.call('HEXISTS', job_key(id), 'first_ms') == 1
  finish(id, 'failed', now, ttl_s, 'error', begun and timeout_error or expired_error)
end
