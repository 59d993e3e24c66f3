-- include: keys, records, queue_position
-- ARGV: id   ->  where a job stands in line (see includes/queue_position.lua); {} when it does not wait
local job = read_fields(job_key(ARGV[1]), 'status', 'leader', 'model', 'priority', 'place', 'account')
if job.status ~= 'queued' then return {} end
return queue_position_of(ARGV[1], job)
