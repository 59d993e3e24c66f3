-- include: common, queue_position
-- ARGV: id   ->  where a job stands in line (see queue_position.lua); {} when it does not wait
if redis.call('HGET', job_key(ARGV[1]), 'status') ~= 'queued' then return {} end
return standing_of(ARGV[1])
