-- include: keys, records, queue_position, fair_queue
-- How many jobs of an account run at once, over all models. The line holds only what an account may start now; the rest
-- of its jobs are parked, by arrival, so that a claim never walks over them, and come into the line as its running ones
-- end, with the turn that a job submitted just then would get: who is parked saves up no turns.
-- Ends of jobs call `admit`, so what is parked needs no looking after; the reaper asks again all the same.
local ADMITTED_AT_ONCE = 500  -- in one call: when a limit is lifted, the calls that follow do the rest

-- How many more jobs of an account may start.
local function slots_left(account)
  local most = redis.call('HGET', concurrency_limits_key, account)
  return most and tonumber(most) - redis.call('SCARD', account_running_key(account)) or math.huge
end

local function note_parked(model, priority, account, count)
  redis.call('HINCRBY', queue_state_key(model), 'aside_' .. priority, count)
  redis.call('SADD', parked_accounts_key, account)
  redis.call('SADD', parked_queues_key(account), priority .. ' ' .. model)
end

-- A new job: into the line when its account may start it next, parked otherwise.
local function enqueue_or_park(id)
  local job = queue_entry(id)
  local model, priority, account = job.model, job.priority, job.account
  local parked = parked_key(priority, model, account)
  if redis.call('EXISTS', parked) == 0
    and redis.call('ZCARD', account_queue_key(priority, model, account)) < slots_left(account) then
    return enqueue(id, job)
  end
  redis.call('ZADD', parked, job.place, member_of(job.place, id))
  count_queued(model, job.audio_ms)
  note_parked(model, priority, account, 1)
end

-- The account is at its limit: what it has in this line is parked. At most as many as its limit, and those back again.
local function park(model, priority, account)
  local own = account_queue_key(priority, model, account)
  local members = redis.call('ZRANGE', own, 0, -1)
  for _, member in ipairs(members) do
    redis.call('ZREM', queue_key(priority, model), member)
    redis.call('ZADD', parked_key(priority, model, account), tonumber(string.sub(member, 1, 12)), member)
  end
  redis.call('DEL', own)
  note_parked(model, priority, account, #members)
end

-- A ticket like the last one of that model: those of the parked jobs were drawn in vain.
local function push_ticket(model)
  local last = read_fields(queue_state_key(model), 'queue', 'ticket')
  local ticket = last.ticket
  if not ticket then return end
  local hex4 = '%x%x%x%x'
  local id = string.match(ticket, hex4 .. hex4 .. '%-' .. hex4 .. '%-' .. hex4 .. '%-' .. hex4 .. '%-' .. hex4 .. hex4 .. hex4)
  local fresh = string.format('00000000-0000-4000-8000-%012x', redis.call('HINCRBY', queue_state_key(model), 'knocks', 1))
  if id then ticket = string.gsub(ticket, (string.gsub(id, '%-', '%%-')), fresh) end
  redis.call('LPUSH', last.queue, ticket)
end

-- The first of an account's parked jobs come into the line, as many as it may start now.
local function admit(account)
  for _, which in ipairs(redis.call('SMEMBERS', parked_queues_key(account))) do
    local priority, model = string.match(which, '^(%a+) (.+)$')
    local queue, own = queue_key(priority, model), account_queue_key(priority, model, account)
    local parked = parked_key(priority, model, account)
    local slots = math.min(ADMITTED_AT_ONCE, slots_left(account) - redis.call('ZCARD', own))
    local first = slots > 0 and redis.call('ZPOPMIN', parked, slots) or {}
    for n = 1, #first, 2 do
      local finish_time = next_finish_time(model, priority, account)
      redis.call('HSET', job_key(id_of(first[n])), 'turn', finish_time)
      redis.call('ZADD', queue, finish_time, first[n])
      redis.call('ZADD', own, finish_time, first[n])
      push_ticket(model)
    end
    if #first > 0 then  -- -0 is no integer to a Redis before 7.2
      redis.call('HINCRBY', queue_state_key(model), 'aside_' .. priority, -(#first / 2))
    end
    if redis.call('EXISTS', parked) == 0 then redis.call('SREM', parked_queues_key(account), which) end
  end
  if redis.call('EXISTS', parked_queues_key(account)) == 0 then redis.call('SREM', parked_accounts_key, account) end
end
