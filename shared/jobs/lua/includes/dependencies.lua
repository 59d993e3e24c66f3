-- include: common, queue_position, fair_queue, concurrency_limits
-- Jobs that wait for others. One that is accepted with `after` stands outside the line until all of those have
-- completed: the script that completes the last one puts it into the line and pushes its ticket. When one of them ends
-- otherwise, it fails in the same script, and so do those that wait for it.
--   after:<id>        set   the jobs that this one still waits for
--   dependents:<id>   zset  those that wait for this job -> their place
--   held              set   all jobs that wait for others; turns:<model> counts them as `held`
-- A composition is a job that waits for its parts and owns them: its record's `composition` names them, and the record
-- of each part names it as `whole`. Its time limits are those of them all, parts that have not ended end with it unless
-- it completed, and those that have are kept until it ends.
local held = root .. ':held'
local HELD_STAGE = 'waiting_for_tasks'
local PARTS_SHARE = 95  -- percent of a composition that its parts are; the rest is the mix
local step_out  -- lifecycle.lua

local function after_key(id) return root .. ':after:' .. id end
local function dependents_key(id) return root .. ':dependents:' .. id end

local function unfinished(status) return status == 'queued' or status == 'running' end

-- The parts of a composition: {name, task_id}, ... Empty for any other job.
local function parts_of(id)
  local composition = redis.call('HGET', job_key(id), 'composition')
  return composition and cjson.decode(composition).parts or {}
end

-- The composition that this job is a part of, while that has not ended.
local function open_whole(id)
  local whole = redis.call('HGET', job_key(id), 'whole')
  return whole and unfinished(redis.call('HGET', job_key(whole), 'status')) and whole or nil
end

-- What this job has made is what that one goes on from, and is kept as long as that one needs it.
local function hand_over(id, heir)
  local result = redis.call('HGET', job_key(id), 'result')
  if not result or redis.call('HGET', job_key(heir), 'continues') ~= id then return end
  local audio = cjson.decode(result).key
  redis.call('HSET', job_key(heir), 'beginning', cjson.encode({audio, codes_beside(audio)}))
  refer_result(audio, heir, '+inf')
end

-- Let a job wait for those of these that have not completed. Whether there are any.
local function hold(id, model, place, ids)
  for _, other in ipairs(ids) do
    if redis.call('HGET', job_key(other), 'status') ~= 'completed' then
      redis.call('SADD', after_key(id), other)
      redis.call('ZADD', dependents_key(other), place, id)
    else
      hand_over(other, id)
    end
  end
  if redis.call('EXISTS', after_key(id)) == 0 then return false end
  redis.call('HSET', job_key(id), 'stage', HELD_STAGE)
  redis.call('SADD', held, id)
  redis.call('HINCRBY', turns_key(model), 'held', 1)
  return true
end

-- It waits no more, whatever comes of it. Whether it did.
local function unhold(id)
  if redis.call('SREM', held, id) == 0 then return false end
  for _, other in ipairs(redis.call('SMEMBERS', after_key(id))) do redis.call('ZREM', dependents_key(other), id) end
  redis.call('DEL', after_key(id))
  local model = redis.call('HGET', job_key(id), 'model')
  if model then redis.call('HINCRBY', turns_key(model), 'held', -1) end
  return true
end

-- All that it waited for has completed: into the line, with a ticket.
local function line_up(id, now)
  unhold(id)
  local model, class, account = unpack(redis.call('HMGET', job_key(id), 'model', 'priority', 'account'))
  redis.call('HSET', job_key(id), 'stage', 'queued', 'turn', next_turn(model, class, account))
  queue_up(id)
  knock(model)
  emit(id, 'queued', now)
end

local function free_dependents(id, now)
  for _, each in ipairs(redis.call('ZRANGE', dependents_key(id), 0, -1)) do
    redis.call('SREM', after_key(each), id)
    hand_over(id, each)
    if redis.call('EXISTS', after_key(each)) == 0 then line_up(each, now) end
  end
  redis.call('DEL', dependents_key(id))
end

-- Why what waited for this job fails. What failed for want of another passes that one's name on.
local function lack_of(id, status)
  local name, error = unpack(redis.call('HMGET', job_key(id), 'part', 'error'))
  local reason = status == 'failed' and error and cjson.decode(error) or nil
  if reason and (reason.code == 'PART_FAILED' or reason.code == 'PREDECESSOR_FAILED') then return error end
  local why = reason and 'failed: ' .. reason.message or status == 'cancelled' and 'was cancelled' or 'is gone'
  local what = name and 'the part "' .. name .. '" (task ' .. id .. ') ' or 'task ' .. id .. ', which this one waited for, '
  return cjson.encode({
    code = name and 'PART_FAILED' or 'PREDECESSOR_FAILED',
    message = what .. why,
    details = {part = name or nil, task_id = id, status = status or 'gone',
      reason = reason and {code = reason.code, message = reason.message} or nil},
  })
end

local function fail_dependents(id, status, now, ttl_s)
  local dependents = redis.call('ZREVRANGE', dependents_key(id), 0, -1)  -- a composition comes before its other parts
  if #dependents == 0 then return end
  local error = lack_of(id, status)
  for _, each in ipairs(dependents) do  -- one may have ended with another of them
    if redis.call('HGET', job_key(each), 'status') == 'queued' then step_out(each, 'failed', now, ttl_s, 'error', error) end
  end
  redis.call('DEL', dependents_key(id))
end

-- Those who wait for it learn how this job has ended.
local function settle(id, status, now, ttl_s)
  if status == 'completed' then free_dependents(id, now) else fail_dependents(id, status, now, ttl_s) end
end

-- For as long as the composition has not ended, or from its end for ttl_s.
local function keep_part(id, now, ttl_s)
  local result = redis.call('HGET', job_key(id), 'result')
  if result then refer_result(cjson.decode(result).key, id, ttl_s and now + ttl_s * 1000 or '+inf') end
  for _, key in ipairs({job_key(id), events_key(id)}) do
    if ttl_s then redis.call('EXPIRE', key, ttl_s) else redis.call('PERSIST', key) end
  end
end

-- The composition has ended: what has not been made of it is wanted no more.
local function end_parts(id, status, now, ttl_s)
  local parts = parts_of(id)
  for n = #parts, 1, -1 do  -- the last first: then none fails for want of one before it
    local part = parts[n]
    local state = redis.call('HGET', job_key(part.task_id), 'status')
    if state and not unfinished(state) then
      keep_part(part.task_id, now, ttl_s)
    elseif state and status ~= 'completed' then
      step_out(part.task_id, 'cancelled', now, ttl_s)
    end
  end
end

-- A composition begins with the first of its parts.
local function begin_whole(id, now)
  local whole = open_whole(id)
  if not whole or redis.call('HSETNX', job_key(whole), 'first_ms', now) == 0 then return end
  announce(whole, 'started', now)
  local timeout_ms = redis.call('HGET', job_key(whole), 'timeout_ms')
  if timeout_ms then redis.call('ZADD', deadlines, now + timeout_ms, whole) else redis.call('ZREM', deadlines, whole) end
end

-- A part has advanced: so has its composition, which is told by whole percents.
local function advance_whole(id, now)
  local whole = open_whole(id)
  if not whole or redis.call('HGET', job_key(whole), 'stage') ~= HELD_STAGE then return end
  local parts, done = parts_of(whole), 0
  for _, part in ipairs(parts) do
    local state = redis.call('HMGET', job_key(part.task_id), 'status', 'step', 'steps')
    local steps = tonumber(state[3] or 0)
    if state[1] == 'completed' then done = done + 1 elseif steps > 0 then done = done + state[2] / steps end
  end
  local percent = math.floor(PARTS_SHARE * done / #parts)
  if percent == tonumber(redis.call('HGET', job_key(whole), 'step') or 0) then return end
  redis.call('HSET', job_key(whole), 'step', percent, 'steps', 100)
  emit(whole, 'progress', now, 'step', percent, 'steps', 100, 'stage', HELD_STAGE)
end

-- A composition that has just arrived, of whose parts some may have begun or be made already.
local function take_in_parts(id, now)
  for _, part in ipairs(parts_of(id)) do
    local state = redis.call('HMGET', job_key(part.task_id), 'status', 'first_ms')
    if state[1] == 'completed' then keep_part(part.task_id, now) end
    if state[2] then begin_whole(part.task_id, now) end
  end
  if parts_of(id)[1] then advance_whole(parts_of(id)[1].task_id, now) end
end

-- What an older version's scripts ended, they told nobody.
local function look_after(id, now, ttl_s)
  for _, other in ipairs(redis.call('SMEMBERS', after_key(id))) do
    local status = redis.call('HGET', job_key(other), 'status')
    if not unfinished(status) then settle(other, status, now, ttl_s) end
  end
end
