-- include: common, queue_position
-- The waiting line of a model: three classes, and within a class accounts take turns (start-time fair queueing).
--   line:<class>:<model>            zset  <place>:<id> -> turn: who is next, whatever the account
--   own:<class>:<model>:<account>   zset  the same members: one account's part of it
--   aside:<class>:<model>:<account> zset  <place>:<id> -> place: what of one account waits beside the line (concurrency_limits.lua)
--   turns:<model>                   hash  class -> the turn last served; claims, audio_ms (all that waits);
--                                         aside_<class> -> how many wait beside it; held (dependencies.lua)
-- An account's jobs get consecutive turns, from the one after the turn last served; equal turns go by arrival. So each
-- account with waiting jobs has one job in each turn, a position is a rank, and a job that comes back keeps its turn.
-- of 8 claims 5, 2 and 1; a class without jobs yields to the first that has some (shared/jobs/priority_order.py knows this too)
local PATTERN = {'high', 'normal', 'high', 'high', 'low', 'high', 'normal', 'high'}

local function own_key(model, class, account) return root .. ':own:' .. class .. ':' .. model .. ':' .. account end
local function id_of(member) return string.sub(member, 14) end

local function length_of(model)
  local length = 0
  for _, class in ipairs(CLASSES) do
    length = length + redis.call('ZCARD', line_key(model, class))
      + tonumber(redis.call('HGET', turns_key(model), 'aside_' .. class) or 0)
  end
  return length
end

-- Those, and the ones that come into the line when what they wait for is made: what a new job's place is reckoned by.
local function accepted_by(model) return length_of(model) + tonumber(redis.call('HGET', turns_key(model), 'held') or 0) end

local function last_turn(model, class) return tonumber(redis.call('HGET', turns_key(model), class) or 0) end

-- The turn of an account's next job: after its last one, and never before the turn last served.
local function next_turn(model, class, account)
  local tail = redis.call('ZRANGE', own_key(model, class, account), -1, -1, 'WITHSCORES')[2]
  return math.max(last_turn(model, class), tonumber(tail or 0)) + 1
end

-- Into the line, at the place and turn that the record holds.
local function enqueue(id)
  local job = redis.call('HMGET', job_key(id), 'model', 'priority', 'account', 'place', 'turn', 'audio_ms')
  local member = member_of(job[4], id)
  redis.call('ZADD', line_key(job[1], job[2]), job[5], member)
  redis.call('ZADD', own_key(job[1], job[2], job[3]), job[5], member)
  redis.call('HINCRBY', turns_key(job[1]), 'audio_ms', job[6])
end

-- Out of the line. When it was its account's first, the next one moves up to turn `upto` (by default into its turn):
-- without that, an account that cancels many jobs would lose the turns of those.
local function dequeue(id, upto)
  local job = redis.call('HMGET', job_key(id), 'model', 'priority', 'account', 'place', 'turn', 'audio_ms')
  local line, own, member = line_key(job[1], job[2]), own_key(job[1], job[2], job[3]), member_of(job[4], id)
  local was_first = redis.call('ZRANGE', own, 0, 0)[1] == member
  if redis.call('ZREM', aside_key(job[1], job[2], job[3]), member) == 1 then
    redis.call('HINCRBY', turns_key(job[1]), 'aside_' .. job[2], -1)
    redis.call('HINCRBY', turns_key(job[1]), 'audio_ms', -job[6])
    return
  end
  if redis.call('ZREM', line, member) == 0 then return end
  redis.call('ZREM', own, member)
  redis.call('HINCRBY', turns_key(job[1]), 'audio_ms', -job[6])
  local first = was_first and redis.call('ZRANGE', own, 0, 0, 'WITHSCORES') or {}
  upto = upto or tonumber(job[5])
  if first[1] and tonumber(first[2]) > upto then
    redis.call('ZADD', line, upto, first[1])
    redis.call('ZADD', own, upto, first[1])
    redis.call('HSET', job_key(id_of(first[1])), 'turn', upto)
  end
end
