-- include: common, dependencies
-- ARGV: id   ->  the job's status when it has not ended | 'part' while its composition has not | nil |
--   {blob keys that nobody refers to any more}
local id = ARGV[1]
local status, account, upload, result, flight, beginning =
  unpack(redis.call('HMGET', job_key(id), 'status', 'account', 'upload', 'result', 'flight', 'beginning'))
if not status then return nil end
if unfinished(status) then return status end
if open_whole(id) then return 'part' end
local now, free = now_ms(), {}
local blobs = beginning and cjson.decode(beginning) or {}
if upload then table.insert(blobs, upload) end
if result then
  local audio = cjson.decode(result).key
  table.insert(blobs, audio)
  table.insert(blobs, codes_beside(audio))
end
for _, blob in ipairs(blobs) do
  local key = root .. ':refs:' .. blob
  redis.call('ZREM', key, id)
  if redis.call('ZCOUNT', key, '(' .. now, '+inf') == 0 then table.insert(free, blob) end
end
if flight and redis.call('GET', flight_key(flight)) == id then redis.call('DEL', flight_key(flight)) end
redis.call('ZREM', root .. ':account:' .. account, id)
redis.call('ZREM', dead, id)
redis.call('DEL', job_key(id), events_key(id), chunks_key(id), root .. ':deliveries:' .. id, dependents_key(id))
return free
