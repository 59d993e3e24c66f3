-- include: keys, records, minutes, queue_position
-- The waiting line of a model: three priorities, and within one accounts take turns (start-time fair queueing). A job's
-- virtual finish time is its record's `turn`, its arrival number `place`; a member of the line is <place>:<id>.
-- An account's jobs get consecutive finish times, from the one after that served last; equal ones go by arrival. So each
-- account with waiting jobs has one job in each turn, a position is a rank, and a job that comes back keeps its turn.

local function id_of(member) return string.sub(member, 14) end

-- What the line keeps of a job.
local function queue_entry(id)
  return read_fields(job_key(id), 'model', 'priority', 'account', 'place', 'turn', 'audio_ms')
end

local function queue_length(model)
  local length = 0
  for _, priority in ipairs(PRIORITIES) do
    length = length + redis.call('ZCARD', queue_key(priority, model))
      + tonumber(redis.call('HGET', queue_state_key(model), 'aside_' .. priority) or 0)
  end
  return length
end

-- A job has come to wait for the model: `by` is 1, or -1 for one that waits no more.
local function count_queued(model, audio_ms, by)
  by = by or 1
  redis.call('HINCRBY', queue_state_key(model), 'audio_ms', by * audio_ms)
  count_minute('queue|' .. model, by)
end

local function last_finish_time(model, priority)
  return tonumber(redis.call('HGET', queue_state_key(model), priority) or 0)
end

-- Of an account's next job: after its last one, and never before the one served last.
local function next_finish_time(model, priority, account)
  local tail = redis.call('ZRANGE', account_queue_key(priority, model, account), -1, -1, 'WITHSCORES')[2]
  return math.max(last_finish_time(model, priority), tonumber(tail or 0)) + 1
end

-- Into the line, at the place and turn that the record holds.
local function enqueue(id, job)
  job = job or queue_entry(id)
  local member = member_of(job.place, id)
  redis.call('ZADD', queue_key(job.priority, job.model), job.turn, member)
  redis.call('ZADD', account_queue_key(job.priority, job.model, job.account), job.turn, member)
  count_queued(job.model, job.audio_ms)
end

-- Out of the line. When it was its account's first, the next one moves up to the finish time `upto` (by default to its):
-- without that, an account that cancels many jobs would lose the turns of those.
local function dequeue(id, upto)
  local job = queue_entry(id)
  local queue, own = queue_key(job.priority, job.model), account_queue_key(job.priority, job.model, job.account)
  local state, member = queue_state_key(job.model), member_of(job.place, id)
  local was_first = redis.call('ZRANGE', own, 0, 0)[1] == member
  if redis.call('ZREM', parked_key(job.priority, job.model, job.account), member) == 1 then
    redis.call('HINCRBY', state, 'aside_' .. job.priority, -1)
    return count_queued(job.model, job.audio_ms, -1)
  end
  if redis.call('ZREM', queue, member) == 0 then return end
  redis.call('ZREM', own, member)
  count_queued(job.model, job.audio_ms, -1)
  local first = was_first and redis.call('ZRANGE', own, 0, 0, 'WITHSCORES') or {}
  upto = upto or tonumber(job.turn)
  if first[1] and tonumber(first[2]) > upto then
    redis.call('ZADD', queue, upto, first[1])
    redis.call('ZADD', own, upto, first[1])
    redis.call('HSET', job_key(id_of(first[1])), 'turn', upto)
  end
end
