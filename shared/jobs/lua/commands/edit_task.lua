-- include: keys, records, compositions, lifetimes
-- ARGV: id, ttl_s, most favourites, favourite '1' | '0' | '' as it was, then if the title changes: title | '', search text
--   ->  'ok' | nil when it is gone | 'part' while its composition has not ended | 'full' | its status when it has no audio
-- A favourite is kept, with its parts, until it is none any more: then for ttl_s from now, or as long as a link shares it.
local id, ttl_s, most, wanted = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local key, now = job_key(id), now_ms()
local job = read_fields(key, 'status', 'account', 'place', 'favourite')
if not job.status then return nil end

local function is_full(favourites)
  if redis.call('ZCARD', favourites) < most then return false end
  for _, each in ipairs(redis.call('ZRANGE', favourites, 0, -1)) do  -- an older version may have purged some
    if redis.call('EXISTS', job_key(each)) == 0 then redis.call('ZREM', favourites, each) end
  end
  return redis.call('ZCARD', favourites) >= most
end

local function keep_parts(until_ms)
  for _, part in ipairs(parts_of(id)) do
    local found = read_fields(job_key(part.task_id), 'status', 'favourite')
    if found.status and not found.favourite then keep_until(part.task_id, until_ms) end
  end
end

local function favour()
  if job.status ~= 'completed' then return job.status end
  if open_composition(id) then return 'part' end
  if is_full(favourites_key(job.account)) then return 'full' end
  redis.call('HSET', key, 'favourite', '1')
  redis.call('ZADD', favourites_key(job.account), job.place, id)
  keep_until(id, '+inf')
  keep_parts('+inf')
end

local function release()
  redis.call('HDEL', key, 'favourite')
  redis.call('ZREM', favourites_key(job.account), id)
  local shared = redis.call('ZRANGE', shares_key(id), -1, -1, 'WITHSCORES')[2] or 0
  keep_until(id, math.max(now + ttl_s * 1000, shared))
  keep_parts(now + ttl_s * 1000)
end

if wanted == '1' and not job.favourite then
  local refusal = favour()
  if refusal then return refusal end
elseif wanted == '0' and job.favourite then
  release()
end
if ARGV[5] then redis.call('HSET', key, 'title', ARGV[5], 'search', ARGV[6]) end
return 'ok'
