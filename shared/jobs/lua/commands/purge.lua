-- include: keys, records, blob_refs, compositions, shares
-- ARGV: id   ->  the job's status when it has not ended | 'part' while its composition has not | nil |
--   {blob keys that nobody refers to any more}
local id = ARGV[1]
local job = read_fields(job_key(id), 'status', 'account', 'upload', 'result', 'flight', 'beginning')
if not job.status then return nil end
if is_unfinished(job.status) then return job.status end
if open_composition(id) then return 'part' end
local now, free = now_ms(), {}
local blobs = job.beginning and cjson.decode(job.beginning) or {}
if job.upload then table.insert(blobs, job.upload) end
if job.result then
  local audio = cjson.decode(job.result).key
  table.insert(blobs, audio)
  table.insert(blobs, codes_of(audio))
end
for _, blob in ipairs(blobs) do
  local key = blob_refs_key(blob)
  redis.call('ZREM', key, id)
  if redis.call('ZCOUNT', key, '(' .. now, '+inf') == 0 then table.insert(free, blob) end
end
if job.flight and redis.call('GET', single_flight_key(job.flight)) == id then
  redis.call('DEL', single_flight_key(job.flight))
end
redis.call('ZREM', account_jobs_key(job.account), id)
redis.call('ZREM', favourites_key(job.account), id)
for _, share in ipairs(redis.call('ZRANGE', shares_key(id), 0, -1)) do withdraw(share) end
redis.call('ZREM', dead_letters_key, id)
redis.call('ZREM', all_jobs_key, id)
redis.call('DEL', job_key(id), events_key(id), chunks_key(id), deliveries_key(id), dependents_key(id))
return free
