-- include: keys, records, leases
-- ARGV: id, attempt   ->  'ok' | the job's status | nil.  The worker is lost: its lease is over now, the reaper decides.
local id, status = owned_by(ARGV[1], ARGV[2])
if not id then return status end
redis.call('ZADD', leases_key, now_ms(), id)
return 'ok'
