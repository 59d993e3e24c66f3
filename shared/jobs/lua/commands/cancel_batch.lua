-- include: common, dependencies, lifecycle, batches
-- ARGV: batch id, ttl_s   ->  as batch_snapshot.lua, after every job of it that had not ended was cancelled
-- The last first: then nobody moves up, or takes over, only to be cancelled next.
local ids = ids_of(ARGV[1])
for n = #ids, 1, -1 do
  if unfinished(redis.call('HGET', job_key(ids[n]), 'status')) then step_out(ids[n], 'cancelled', now_ms(), ARGV[2]) end
end
return whole_of(ARGV[1])
