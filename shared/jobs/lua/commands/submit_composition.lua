-- include: records, acceptance
-- ARGV: as acceptance.lua says; the last job is the composition, those before it are its parts
--   ->  {'accepted'} | {'full', model, its length, how many more} | {'replayed' | 'conflict', id}
--   |  {'lacking', id of what one of them was to wait for, its status}
-- All of it or nothing, as for a batch; the composition is what an Idempotency-Key stands for.
local before, same = submitted_before()
if before then return {same, before} end
local jobs, now = read_jobs(9), now_ms()
local refusal = missing_predecessor(jobs) or match_all(jobs)
if refusal then return refusal end
keep_idempotency_key(jobs[#jobs].id)
for _, job in ipairs(jobs) do accept(job, now) end
return {'accepted'}
