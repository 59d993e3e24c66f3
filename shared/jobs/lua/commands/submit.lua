-- include: common, queue_position, acceptance
-- ARGV: as acceptance.lua says, one job
--   ->  {'queued', now_ms, standing} | {'shared' | 'cached', now_ms} | {'full', length} | {'replayed' | 'conflict', id}
--   |  {'lacking', id of what it was to wait for, its status}
local before, same = submitted_before()
if before then return {same, before} end
local jobs, now = read_jobs(9), now_ms()
local lack = lacking(jobs)
if lack then return lack end
local full = match_all(jobs)
if full then return {full[1], full[3]} end
local job = jobs[1]
hold_key(job.id)
arrive(job, now)
if job.word ~= 'queued' then return {job.word, now} end
return {job.word, now, standing_of(job.id)}
