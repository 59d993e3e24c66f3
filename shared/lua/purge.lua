-- ARGV: id   ->  the job's status when it has not ended | {blob keys that nobody refers to any more} | nil
local id = ARGV[1]
local status, account, upload, result, flight =
  unpack(redis.call('HMGET', job_key(id), 'status', 'account', 'upload', 'result', 'flight'))
if not status then return nil end
if status == 'queued' or status == 'running' then return status end
local now, free = now_ms(), {}
local blobs = {upload or nil}
if result then table.insert(blobs, cjson.decode(result).key) end
for _, blob in ipairs(blobs) do
  local key = root .. ':refs:' .. blob
  redis.call('ZREM', key, id)
  if redis.call('ZCOUNT', key, '(' .. now, '+inf') == 0 then table.insert(free, blob) end
end
if flight and redis.call('GET', flight_key(flight)) == id then redis.call('DEL', flight_key(flight)) end
redis.call('ZREM', root .. ':account:' .. account, id)
redis.call('ZREM', dead, id)
redis.call('DEL', job_key(id), events_key(id), root .. ':deliveries:' .. id)
return free
