-- include: keys, records
-- Which attempt holds which job: the lease, and the fence that a late attempt cannot pass.

-- The job that this attempt runs, or nil when it has none any more; also the status and attempt of what it last ran.
-- A job that left its generation to a duplicate has a successor: whoever writes for it still calls it by the old name.
local function owned_by(id, attempt)
  local job = read_fields(job_key(id), 'status', 'attempt')
  while job.status ~= 'running' do
    local heir = redis.call('GET', successor_key(id))
    if not heir then break end
    id = heir
    job = read_fields(job_key(id), 'status', 'attempt')
  end
  return job.status == 'running' and job.attempt == attempt and id or nil, job.status, job.attempt
end

-- The attempt is over: its lease and its slot are free. Whoever calls this admits the account's next job.
local function release_lease(id, model, worker)
  redis.call('SREM', account_running_key(redis.call('HGET', job_key(id), 'account')), id)
  redis.call('ZREM', leases_key, id)
  redis.call('ZREM', model_running_key(model), id)
  if worker then redis.call('HDEL', worker_running_key(worker), id) end
end
