-- include: common
-- ARGV: ids   ->  for each {whose chunks are its own, status, attempt, stage, step, steps, last chunk's id}
local found = {}
for n, id in ipairs(ARGV) do
  local job = redis.call('HMGET', job_key(id), 'status', 'attempt', 'stage', 'step', 'steps', 'chunk', 'leader')
  local source = job[7] or id
  local chunk = job[7] and redis.call('HGET', job_key(source), 'chunk') or job[6]
  found[n] = {source, job[1], job[2], job[3], job[4], job[5], chunk}
end
return found
