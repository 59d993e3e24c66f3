-- include: keys, records, blob_refs
-- For how long what has ended is kept: ttl_s from its end, longer while a link shares it, for good as a favourite.

-- Keep an ended job's record, events and files until then; '+inf': until that is taken back.
local function keep_until(id, until_ms)
  local job = read_fields(job_key(id), 'result', 'upload', 'beginning')
  if job.result then refer_result(cjson.decode(job.result).key, id, until_ms) end
  if job.upload then refer(job.upload, id, until_ms) end
  if job.beginning then refer_all(job.beginning, id, until_ms) end
  for _, key in ipairs({job_key(id), events_key(id)}) do
    if until_ms == '+inf' then redis.call('PERSIST', key) else redis.call('PEXPIREAT', key, until_ms) end
  end
end

-- Keep it at least until then.
local function keep_at_least(id, now, until_ms)
  local left_ms = redis.call('PTTL', job_key(id))
  if left_ms >= 0 and now + left_ms < until_ms then keep_until(id, until_ms) end
end
