-- include: common
-- Where jobs stand in line: the keys that this needs, and no transition. The line itself is fair_queue.lua's.
local CLASSES = {'high', 'normal', 'low'}
local function turns_key(model) return root .. ':turns:' .. model end
local function line_key(model, class) return root .. ':line:' .. class .. ':' .. model end
local function aside_key(model, class, account) return root .. ':aside:' .. class .. ':' .. model .. ':' .. account end
local function member_of(place, id) return string.format('%012d:%s', place, id) end

-- Where a waiting job stands: {class, rank, jobs in high, normal, low, claims so far}, or {} when it does not wait. A
-- follower stands where its leader does. A job beside the line: as if that came after all of it.
local function standing_of(id)
  id = redis.call('HGET', job_key(id), 'leader') or id
  local model, class, place, account = unpack(redis.call('HMGET', job_key(id), 'model', 'priority', 'place', 'account'))
  if not place or not class then return {} end
  local rank, beside = redis.call('ZRANK', line_key(model, class), member_of(place, id)), 0
  if not rank then
    local aside = aside_key(model, class, account)
    rank = redis.call('ZRANK', aside, member_of(place, id))
    if not rank then return {} end
    rank, beside = rank + redis.call('ZCARD', line_key(model, class)), redis.call('ZCARD', aside)
  end
  local standing = {class, rank}
  for _, each in ipairs(CLASSES) do
    table.insert(standing, redis.call('ZCARD', line_key(model, each)) + (each == class and beside or 0))
  end
  table.insert(standing, tonumber(redis.call('HGET', turns_key(model), 'claims') or 0))
  return standing
end
