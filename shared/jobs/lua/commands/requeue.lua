-- include: records, leases, attempts
-- ARGV: id, attempt   ->  'ok' | the job's status | nil.  Not a failure: the worker is leaving.
local id, status = owned_by(ARGV[1], ARGV[2])
if not id then return status end
requeue(id, now_ms(), 'left', '')
return 'ok'
