-- include: keys, records, finish, batches
-- ARGV: batch id, ttl_s   ->  as batch_snapshot.lua, after every job of it that had not ended was cancelled
-- The last first: then nobody moves up, or takes over, only to be cancelled next.
local ids, now = ids_of(ARGV[1]), now_ms()
for n = #ids, 1, -1 do
  if is_unfinished(redis.call('HGET', job_key(ids[n]), 'status')) then finish(ids[n], 'cancelled', now, ARGV[2]) end
end
return snapshot_of(ARGV[1])
