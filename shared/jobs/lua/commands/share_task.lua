-- include: keys, records, lifetimes
-- ARGV: id, share id, its lifetime in s, most links of the account, key id | ''
--   ->  {created_ms, expires_ms} | nil when the job is gone | 'full' | its status when it has no audio
-- What a link shares is kept as long as the link.
local id, share, lifetime_s, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local job, now = read_fields(job_key(id), 'status', 'account'), now_ms()
if not job.status then return nil end
if job.status ~= 'completed' then return job.status end
local of_account = account_shares_key(job.account)
redis.call('ZREMRANGEBYSCORE', of_account, '-inf', now)
if redis.call('ZCARD', of_account) >= most then return 'full' end
local ends = now + lifetime_s * 1000
redis.call('HSET', share_key(share), 'job_id', id, 'account', job.account, 'key_id', ARGV[5], 'created_ms', now,
  'expires_ms', ends)
redis.call('PEXPIREAT', share_key(share), ends)
for _, key in ipairs({of_account, shares_key(id)}) do
  redis.call('ZADD', key, ends, share)
  redis.call('PEXPIREAT', key, redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2])
end
keep_at_least(id, now, ends)
return {now, ends}
