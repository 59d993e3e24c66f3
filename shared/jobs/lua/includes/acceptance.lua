-- include: common, queue_position, fair_queue, concurrency_limits, dependencies, lifecycle
-- How jobs arrive: what the submit scripts share. Of the arguments, the first eight are the same in all of them:
--   account, limit, ttl_s, idempotency key | '', digest, its ttl_ms, blob keys that are gone (a JSON list),
--   how many of the account's jobs may run at once | 0 for no bound | '' for as many as before;
-- and each job is so many: id, model, flight | '', ttl_ms | '', ticket's queue | '', ticket, how many follow, field,
-- value, ... The fields hold priority and all else that does not depend on the moment. `after`: ids with a space
-- between, of jobs that arrived before it, in this call too.
local account, limit, ttl_s = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local idem = ARGV[4] ~= '' and root .. ':idem:' .. account .. ':' .. ARGV[4]
local FOLLOWERS_AT_MOST = 100
local RANK = {high = 1, normal = 2, low = 3}
local gone = {}
for _, blob in ipairs(cjson.decode(ARGV[7])) do gone[blob] = true end

-- The id, of a job or a batch, that was submitted before under this key, and whether it was the same request.
local function submitted_before()
  if not idem then return nil end
  local before = redis.call('HMGET', idem, 'id', 'digest')
  if before[1] and redis.call('EXISTS', job_key(before[1]), batch_key(before[1])) == 1 then
    return before[1], before[2] == ARGV[5] and 'replayed' or 'conflict'
  end
end

local function set_bound()
  local bounds, most = root .. ':concurrent', ARGV[8]
  if most == '' or most == (redis.call('HGET', bounds, account) or '0') then return end
  if most == '0' then redis.call('HDEL', bounds, account) else redis.call('HSET', bounds, account, most) end
  let_in(account)
end

local function hold_key(id)
  if not idem then return end
  redis.call('HSET', idem, 'id', id, 'digest', ARGV[5])
  redis.call('PEXPIRE', idem, ARGV[6])
end

-- The jobs written in the arguments from there on.
local function read_jobs(from)
  local jobs = {}
  while from <= #ARGV do
    local last = from + 6 + tonumber(ARGV[from + 6])
    local job = {id = ARGV[from], model = ARGV[from + 1], flight = ARGV[from + 2], ttl_ms = ARGV[from + 3],
      queue = ARGV[from + 4], ticket = ARGV[from + 5], first = from + 7, last = last}
    for n = job.first, last, 2 do job[ARGV[n]] = ARGV[n + 1] end
    table.insert(jobs, job)
    from = last + 1
  end
  return jobs
end

-- The refusal of a job that is to wait for one that will never complete; nil when there is none.
local function lacking(jobs)
  local here = {}
  for _, job in ipairs(jobs) do
    for _, other in ipairs(ids_in(job.after)) do
      local status = here[other] or redis.call('HGET', job_key(other), 'status')
      if not unfinished(status) and status ~= 'completed' then return {'lacking', other, status or 'gone'} end
    end
    here[job.id] = 'queued'
  end
end

-- Who makes this music already, or made it? Gives the job its `word`: 'queued', 'shared' (with its leader's id as
-- `other`) or 'cached' (with the `result`). `coming`: flight -> {id, rank, followers} of those who make it, the jobs
-- matched before this one included. What waits for others is given what is made, but shares nothing that is being made:
-- it may fail before that does. Writes nothing.
local function match(job, coming)
  job.word = 'queued'
  if job.flight == '' then return end
  local lead = coming[job.flight]
  local other = not lead and redis.call('GET', flight_key(job.flight))
  if other then
    local made = redis.call('HMGET', job_key(other), 'status', 'priority', 'result', 'worker')
    if made[1] == 'completed' and not gone[cjson.decode(made[3]).key] then
      job.word, job.result, job.worker = 'cached', made[3], made[4]
      return
    elseif unfinished(made[1]) and not job.after then
      local rank = made[1] == 'running' and 0 or RANK[made[2]]
      lead = {id = other, rank = rank, followers = redis.call('ZCARD', followers_key(other))}
    end
  end
  if job.after then return end
  if lead and lead.rank <= RANK[job.priority] and lead.followers < FOLLOWERS_AT_MOST then
    job.word, job.other = 'shared', lead.id
    lead.followers = lead.followers + 1
  else
    lead = {id = job.id, rank = RANK[job.priority], followers = 0}
  end
  coming[job.flight] = lead
end

-- Settle what each job is to be. The refusal when a model's line has no room for those that would wait; else nil.
local function match_all(jobs)
  local coming, more, named = {}, {}, {}
  for _, job in ipairs(jobs) do
    match(job, coming)
    if job.word == 'queued' then
      if not more[job.model] then table.insert(named, job.model) end
      more[job.model] = (more[job.model] or 0) + 1
    end
  end
  set_bound()
  for _, model in ipairs(named) do
    local length = accepted_by(model)
    if length + more[model] > limit then return {'full', model, length, more[model]} end
  end
end

local function follow(job, key, place, now)
  redis.call('HSET', key, 'leader', job.other)
  redis.call('ZADD', followers_key(job.other), place, job.id)
  local ahead =
    redis.call('HMGET', job_key(job.other), 'status', 'worker', 'attempt', 'started_ms', 'stage', 'step', 'steps')
  redis.call('HSET', key, 'attempt', ahead[3] or 0)
  if ahead[1] == 'running' then
    redis.call('HSET', key, 'status', 'running', 'worker', ahead[2], 'started_ms', ahead[4],
      'stage', ahead[5], 'step', ahead[6] or 0, 'steps', ahead[7] or 0, 'first_ms', now)
    redis.call('ZREM', deadlines, job.id)
    if job.timeout_ms then redis.call('ZADD', deadlines, now + job.timeout_ms, job.id) end
    emit(job.id, 'started', now, 'attempt', ahead[3], 'worker', ahead[2])
    announce(job.id, 'started', now)
  end
end

-- On record, and where its word says: in line with a ticket, behind its leader, or at its end.
local function arrive(job, now)
  local id, key = job.id, job_key(job.id)
  local place = redis.call('INCR', root .. ':places')
  redis.call('HSET', key, 'status', 'queued', 'stage', 'queued', 'created_ms', now, 'place', place,
    unpack(ARGV, job.first, job.last))
  if not job.whole then redis.call('ZADD', root .. ':account:' .. account, place, id) end
  redis.call('SADD', models, job.model)
  if job.upload then refer(job.upload, id, '+inf') end
  if job.beginning then refer_all(job.beginning, id, '+inf') end
  emit(id, 'queued', now)
  if job.word == 'cached' then
    redis.call('HSET', key, 'started_ms', now, 'first_ms', now, 'result', job.result)
    if job.worker then redis.call('HSET', key, 'worker', job.worker) end  -- who made it
    refer_result(cjson.decode(job.result).key, id, now + ttl_s * 1000)
    close(id, 'completed', now, ttl_s)
    redis.call('SET', flight_key(job.flight), id, 'EX', ttl_s)
    return
  end
  if job.ttl_ms ~= '' then redis.call('ZADD', deadlines, now + job.ttl_ms, id) end
  if job.word == 'shared' then return follow(job, key, place, now) end
  -- the next like it is written by `knock`; all of one kind are of one length
  if job.queue ~= '' and redis.call('HSTRLEN', turns_key(job.model), 'ticket') ~= #job.ticket then
    redis.call('HSET', turns_key(job.model), 'queue', job.queue, 'ticket', job.ticket)
  end
  if not hold(id, job.model, place, ids_in(job.after)) then
    redis.call('HSET', key, 'turn', next_turn(job.model, job.priority, account))
    queue_up(id)
    if job.queue ~= '' then redis.call('LPUSH', job.queue, job.ticket) end
  end
  if job.composition then take_in_parts(id, now) end
  if job.flight ~= '' then redis.call('SET', flight_key(job.flight), id) end
end
