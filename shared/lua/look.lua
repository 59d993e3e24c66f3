-- ARGV: id   ->  {record, standing}: a job and where it stands in line, in one round trip
local record = redis.call('HGETALL', job_key(ARGV[1]))
local waits = redis.call('HGET', job_key(ARGV[1]), 'status') == 'queued'
return {record, waits and standing_of(ARGV[1]) or {}}
