-- include: common, queue_position, fair_queue
-- How many jobs of an account run at once, over all models. The line holds only what an account may start now; the rest
-- of its jobs wait aside, by arrival, so that a claim never walks over them, and come into the line as its running ones
-- end, with the turn that a job submitted just then would get: who waits aside saves up no turns.
--   concurrent             hash  account -> how many may run; who is not in it has no bound
--   runs:<account>         set   ids of the jobs that run; who follows another's generation does not count
--   asides                 set   accounts with jobs aside; asides:<account> is the set of their "<class> <model>"
-- Ends of jobs call `let_in`, so what waits aside needs no looking after; the reaper asks again all the same.
local asides = root .. ':asides'
local LET_IN_AT_MOST = 500  -- in one call: when a bound is lifted, the calls that follow do the rest

local function runs_key(account) return root .. ':runs:' .. account end
local function asides_key(account) return root .. ':asides:' .. account end

-- How many more jobs of an account may start.
local function room_of(account)
  local most = redis.call('HGET', root .. ':concurrent', account)
  return most and tonumber(most) - redis.call('SCARD', runs_key(account)) or math.huge
end

local function note_aside(model, class, account, count)
  redis.call('HINCRBY', turns_key(model), 'aside_' .. class, count)
  redis.call('SADD', asides, account)
  redis.call('SADD', asides_key(account), class .. ' ' .. model)
end

-- A new job: into the line when its account may start it next, aside otherwise.
local function queue_up(id)
  local job = redis.call('HMGET', job_key(id), 'model', 'priority', 'account', 'place', 'audio_ms')
  local model, class, account = job[1], job[2], job[3]
  local aside = aside_key(model, class, account)
  if redis.call('EXISTS', aside) == 0 and redis.call('ZCARD', own_key(model, class, account)) < room_of(account) then
    return enqueue(id)
  end
  redis.call('ZADD', aside, job[4], member_of(job[4], id))
  redis.call('HINCRBY', turns_key(model), 'audio_ms', job[5])
  note_aside(model, class, account, 1)
end

-- The account is at its bound: what it has in this line waits aside. At most as many as its bound, and those back again.
local function put_aside(model, class, account)
  local own = own_key(model, class, account)
  local members = redis.call('ZRANGE', own, 0, -1)
  for _, member in ipairs(members) do
    redis.call('ZREM', line_key(model, class), member)
    redis.call('ZADD', aside_key(model, class, account), tonumber(string.sub(member, 1, 12)), member)
  end
  redis.call('DEL', own)
  note_aside(model, class, account, #members)
end

-- A ticket like the last one of that model: those of the jobs aside were drawn in vain.
local function knock(model)
  local queue, ticket = unpack(redis.call('HMGET', turns_key(model), 'queue', 'ticket'))
  if not ticket then return end
  local hex4 = '%x%x%x%x'
  local id = string.match(ticket, hex4 .. hex4 .. '%-' .. hex4 .. '%-' .. hex4 .. '%-' .. hex4 .. '%-' .. hex4 .. hex4 .. hex4)
  local fresh = string.format('00000000-0000-4000-8000-%012x', redis.call('HINCRBY', turns_key(model), 'knocks', 1))
  if id then ticket = string.gsub(ticket, (string.gsub(id, '%-', '%%-')), fresh) end
  redis.call('LPUSH', queue, ticket)
end

-- The first of an account's jobs aside come into the line, as many as it may start now.
local function let_in(account)
  for _, which in ipairs(redis.call('SMEMBERS', asides_key(account))) do
    local class, model = string.match(which, '^(%a+) (.+)$')
    local line, own, aside = line_key(model, class), own_key(model, class, account), aside_key(model, class, account)
    local room = math.min(LET_IN_AT_MOST, room_of(account) - redis.call('ZCARD', own))
    local first = room > 0 and redis.call('ZPOPMIN', aside, room) or {}
    for n = 1, #first, 2 do
      local turn = next_turn(model, class, account)
      redis.call('HSET', job_key(id_of(first[n])), 'turn', turn)
      redis.call('ZADD', line, turn, first[n])
      redis.call('ZADD', own, turn, first[n])
      knock(model)
    end
    if #first > 0 then  -- -0 is no integer to a Redis before 7.2
      redis.call('HINCRBY', turns_key(model), 'aside_' .. class, -(#first / 2))
    end
    if redis.call('EXISTS', aside) == 0 then redis.call('SREM', asides_key(account), which) end
  end
  if redis.call('EXISTS', asides_key(account)) == 0 then redis.call('SREM', asides, account) end
end
