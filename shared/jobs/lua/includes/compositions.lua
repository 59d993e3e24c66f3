-- include: keys, records, events, blob_refs, begin
-- A composition is what a request for several instruments becomes: a job, the mix, that waits for its parts
-- (dependencies.lua) and owns them. Its record's `composition` names them, and the record of each part names it as
-- `whole`. Its time limits are those of them all, parts that have not ended end with it unless it completed, and those
-- that have are kept until it ends.
local BLOCKED_STAGE = 'waiting_for_tasks'
local PARTS_PERCENT = 95  -- of a composition, what its parts are; the rest is the mix

-- The parts of a composition: {name, task_id}, ... Empty for any other job.
local function parts_of(id)
  local composition = redis.call('HGET', job_key(id), 'composition')
  return composition and cjson.decode(composition).parts or {}
end

-- The id of the composition that this job is a part of, while that has not ended.
local function open_composition(id)
  local composition = redis.call('HGET', job_key(id), 'whole')
  return composition and is_unfinished(redis.call('HGET', job_key(composition), 'status')) and composition or nil
end

-- For as long as the composition has not ended, or from its end for ttl_s.
local function keep_part(id, now, ttl_s)
  local result = redis.call('HGET', job_key(id), 'result')
  if result then refer_result(cjson.decode(result).key, id, ttl_s and now + ttl_s * 1000 or '+inf') end
  for _, key in ipairs({job_key(id), events_key(id)}) do
    if ttl_s then redis.call('EXPIRE', key, ttl_s) else redis.call('PERSIST', key) end
  end
end

-- A composition begins with the first of its parts.
local function begin_composition(part_id, now)
  local id = open_composition(part_id)
  if id then begin(id, now) end
end

-- A part has advanced: so has its composition, which is told by whole percents.
local function advance_composition(part_id, now)
  local id = open_composition(part_id)
  if not id or redis.call('HGET', job_key(id), 'stage') ~= BLOCKED_STAGE then return end
  local parts, done = parts_of(id), 0
  for _, part in ipairs(parts) do
    local job = read_fields(job_key(part.task_id), 'status', 'step', 'steps')
    local steps = tonumber(job.steps or 0)
    if job.status == 'completed' then done = done + 1 elseif steps > 0 then done = done + job.step / steps end
  end
  local percent = math.floor(PARTS_PERCENT * done / #parts)
  if percent == tonumber(redis.call('HGET', job_key(id), 'step') or 0) then return end
  redis.call('HSET', job_key(id), 'step', percent, 'steps', 100)
  log_event(id, 'progress', now, 'step', percent, 'steps', 100, 'stage', BLOCKED_STAGE)
end

-- A composition that has just arrived, of whose parts some may have begun or be made already. One whose parts were given
-- their results begins with the mix.
local function attach_parts(id, now)
  local parts = parts_of(id)
  for _, part in ipairs(parts) do
    local job = read_fields(job_key(part.task_id), 'status', 'first_ms', 'result_of')
    if job.status == 'completed' then keep_part(part.task_id, now) end
    if job.first_ms and not job.result_of then begin_composition(part.task_id, now) end
  end
  if parts[1] then advance_composition(parts[1].task_id, now) end
end
