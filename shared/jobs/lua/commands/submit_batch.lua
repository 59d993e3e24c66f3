-- include: keys, records, acceptance, batches
-- ARGV: as acceptance.lua says, but after the first eight the batch's id and its source
--   ->  {'accepted', the batch's snapshot} | {'full', model, its length, how many more} | {'replayed' | 'conflict', id}
--   |  {'lacking', id of what one of them was to wait for, its status}
-- All of it or nothing, as in submit.lua.
local before, same = submitted_before()
if before then return {same, before} end
local batch, jobs, now = ARGV[9], read_jobs(11), now_ms()
local refusal = prepare(jobs)
if refusal then return refusal end

local ids = {}
for n, job in ipairs(jobs) do ids[n] = job.id end
redis.call('HSET', batch_key(batch), 'account', account, 'source', ARGV[10], 'created_ms', now,
  'ids', table.concat(ids, ' '), 'open', #ids)
keep_idempotency_key(batch)
for _, job in ipairs(jobs) do accept(job, now) end
return {'accepted', snapshot_of(batch)}
