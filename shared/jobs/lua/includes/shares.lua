-- include: keys, records
-- The links that share a job.

-- Take that link back: it opens nothing any more.
local function withdraw(share)
  local found = read_fields(share_key(share), 'job_id', 'account')
  if not found.job_id then return end
  redis.call('ZREM', shares_key(found.job_id), share)
  redis.call('ZREM', account_shares_key(found.account), share)
  redis.call('DEL', share_key(share))
end
