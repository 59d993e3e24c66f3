-- ARGV: as arrive.lua says, one job
--   ->  {'queued', now_ms, standing} | {'shared' | 'cached', now_ms} | {'full', length} | {'replayed' | 'conflict', id}
local before, same = submitted_before()
if before then return {same, before} end
local job, now = read_jobs(9)[1], now_ms()
match(job, {})
set_bound()
local length = length_of(job.model)
if job.word == 'queued' and length >= limit then return {'full', length} end
hold_key(job.id)
arrive(job, now)
if job.word ~= 'queued' then return {job.word, now} end
return {job.word, now, standing_of(job.id)}
