-- include: keys
-- ARGV: ids   ->  for each the values of HEAD_FIELDS. A duplicate's `chunk`, the last one's id, is its primary's.
local HEAD_FIELDS = {'status', 'attempt', 'stage', 'step', 'steps', 'chunk', 'leader'}
local at = {}
for n, field in ipairs(HEAD_FIELDS) do at[field] = n end
local heads = {}
for n, id in ipairs(ARGV) do
  local head = redis.call('HMGET', job_key(id), unpack(HEAD_FIELDS))
  local primary = head[at.leader]
  if primary then head[at.chunk] = redis.call('HGET', job_key(primary), 'chunk') end
  heads[n] = head
end
return heads
