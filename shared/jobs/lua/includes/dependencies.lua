-- include: keys, records, events, blob_refs, fair_queue, concurrency_limits, compositions
-- Jobs that are blocked by others. One that is accepted with `after` stands outside the line until all of those have
-- completed: the script that completes the last one puts it into the line and pushes its ticket. When one of them ends
-- otherwise, it fails in the same script, and so do those that wait for it (finish.lua).

-- What this job has made is what that one goes on from, and is kept as long as that one needs it.
local function hand_over_result(id, dependent)
  local result = redis.call('HGET', job_key(id), 'result')
  if not result or redis.call('HGET', job_key(dependent), 'continues') ~= id then return end
  local audio = cjson.decode(result).key
  redis.call('HSET', job_key(dependent), 'beginning', cjson.encode({audio, codes_of(audio)}))
  refer_result(audio, dependent, '+inf')
end

-- Let a job wait for those of these that have not completed. Whether there are any.
local function block(id, model, arrival_seq, ids)
  for _, other in ipairs(ids) do
    if redis.call('HGET', job_key(other), 'status') ~= 'completed' then
      redis.call('SADD', blockers_key(id), other)
      redis.call('ZADD', dependents_key(other), arrival_seq, id)
    else
      hand_over_result(other, id)
    end
  end
  if redis.call('EXISTS', blockers_key(id)) == 0 then return false end
  redis.call('HSET', job_key(id), 'stage', BLOCKED_STAGE)
  redis.call('SADD', blocked_key, id)
  redis.call('HINCRBY', queue_state_key(model), 'held', 1)
  return true
end

-- It waits no more, whatever comes of it. Whether it did.
local function unblock(id)
  if redis.call('SREM', blocked_key, id) == 0 then return false end
  for _, other in ipairs(redis.call('SMEMBERS', blockers_key(id))) do redis.call('ZREM', dependents_key(other), id) end
  redis.call('DEL', blockers_key(id))
  local model = redis.call('HGET', job_key(id), 'model')
  if model then redis.call('HINCRBY', queue_state_key(model), 'held', -1) end
  return true
end

-- All that it waited for has completed: into the line, with a ticket.
local function enqueue_unblocked(id, now)
  unblock(id)
  local job = read_fields(job_key(id), 'model', 'priority', 'account')
  redis.call('HSET', job_key(id), 'stage', 'queued', 'turn', next_finish_time(job.model, job.priority, job.account))
  enqueue_or_park(id)
  push_ticket(job.model)
  log_event(id, 'queued', now)
end

-- This job has completed: those that waited for it alone come into the line.
local function unblock_dependents(id, now)
  for _, each in ipairs(redis.call('ZRANGE', dependents_key(id), 0, -1)) do
    redis.call('SREM', blockers_key(each), id)
    hand_over_result(id, each)
    if redis.call('EXISTS', blockers_key(each)) == 0 then enqueue_unblocked(each, now) end
  end
  redis.call('DEL', dependents_key(id))
end

-- Why what waited for this job fails. What failed for want of another passes that one's name on.
local function predecessor_error(id, status)
  local job = read_fields(job_key(id), 'part', 'error')
  local name, reason = job.part, status == 'failed' and job.error and cjson.decode(job.error) or nil
  if reason and (reason.code == 'PART_FAILED' or reason.code == 'PREDECESSOR_FAILED') then return job.error end
  local why = reason and 'failed: ' .. reason.message or status == 'cancelled' and 'was cancelled' or 'is gone'
  local what = name and 'the part "' .. name .. '" (task ' .. id .. ') ' or 'task ' .. id .. ', which this one waited for, '
  return cjson.encode({
    code = name and 'PART_FAILED' or 'PREDECESSOR_FAILED',
    message = what .. why,
    details = {part = name or nil, task_id = id, status = status or 'gone',
      reason = reason and {code = reason.code, message = reason.message} or nil},
  })
end

-- What cannot go on after a job that did not complete: {{id, status, fields}, ...} in the order in which it is to end.
-- Those that waited for it, a composition before its other parts; then its own parts, the last first: so none fails for
-- want of one before it.
local function doomed_by(id, status, parts)
  local doomed = {}
  if status == 'completed' then return doomed end
  local dependents = redis.call('ZREVRANGE', dependents_key(id), 0, -1)
  local error = dependents[1] and predecessor_error(id, status)
  for n, each in ipairs(dependents) do doomed[n] = {id = each, status = 'failed', fields = {'error', error}} end
  redis.call('DEL', dependents_key(id))
  for n = #parts, 1, -1 do table.insert(doomed, {id = parts[n].task_id, status = 'cancelled', fields = {}}) end
  return doomed
end
