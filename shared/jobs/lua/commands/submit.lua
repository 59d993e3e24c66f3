-- include: records, queue_position, acceptance
-- ARGV: as acceptance.lua says, one job
--   ->  {'queued', now_ms, queue position} | {'shared' | 'cached', now_ms} | {'full', length}
--   |  {'replayed' | 'conflict', id} | {'lacking', id of what it was to wait for, its status}
local before, same = submitted_before()
if before then return {same, before} end
local jobs, now = read_jobs(9), now_ms()
local lacking = missing_predecessor(jobs)
if lacking then return lacking end
local full = match_all(jobs)
if full then return {full[1], full[3]} end
local job = jobs[1]
keep_idempotency_key(job.id)
accept(job, now)
if job.word ~= 'queued' then return {job.word, now} end
return {job.word, now, queue_position_of(job.id)}
