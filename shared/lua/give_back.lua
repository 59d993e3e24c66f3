-- ARGV: id, attempt   ->  'ok' | the job's status | nil.  Not a failure: the worker is leaving.
local held, status = holds(ARGV[1], ARGV[2])
if not held then return status end
requeue(ARGV[1])
return 'ok'
