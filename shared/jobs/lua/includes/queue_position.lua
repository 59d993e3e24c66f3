-- include: keys, records
-- Where jobs stand in line: what this needs, and no transition. The line itself is fair_queue.lua's.
local PRIORITIES = {'high', 'normal', 'low'}
local function member_of(arrival_seq, id) return string.format('%012d:%s', arrival_seq, id) end

-- Where a waiting job stands: {priority, rank, jobs in high, normal, low, claims so far}, or {} when it does not wait. A
-- duplicate stands where its primary does. A parked job: as if it came after all of the line. `job`: its fields, if they
-- were read already.
local function queue_position_of(id, job)
  job = job or read_fields(job_key(id), 'leader', 'model', 'priority', 'place', 'account')
  if job.leader then
    id = job.leader
    job = read_fields(job_key(id), 'model', 'priority', 'place', 'account')
  end
  local model, priority = job.model, job.priority
  if not job.place or not priority then return {} end
  local member, parked = member_of(job.place, id), 0
  local rank = redis.call('ZRANK', queue_key(priority, model), member)
  if not rank then
    local parked_jobs = parked_key(priority, model, job.account)
    rank = redis.call('ZRANK', parked_jobs, member)
    if not rank then return {} end
    rank, parked = rank + redis.call('ZCARD', queue_key(priority, model)), redis.call('ZCARD', parked_jobs)
  end
  local position = {priority, rank}
  for _, each in ipairs(PRIORITIES) do
    table.insert(position, redis.call('ZCARD', queue_key(each, model)) + (each == priority and parked or 0))
  end
  table.insert(position, tonumber(redis.call('HGET', queue_state_key(model), 'claims') or 0))
  return position
end
