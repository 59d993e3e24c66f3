-- include: records, queue_position, acceptance
-- ARGV: as acceptance.lua says. Of several jobs the last stands for all: the mix of a composition, after its parts
--   ->  of the last one {'queued', now_ms, queue position} | {'shared' | 'cached', now_ms}
--   |  {'full', model, its length, how many more} | {'replayed' | 'conflict', id}
--   |  {'lacking', id of what one of them was to wait for, its status}
--   |  {'unfailed', id of what was to run again, its status} | {'retried', that id, its retry's id, that one's status}
-- All of them or none: what each is to be is settled before the first is written.
local before, same = submitted_before()
if before then return {same, before} end
local jobs, now = read_jobs(9), now_ms()
local refusal = prepare(jobs)
if refusal then return refusal end

local last = jobs[#jobs]
keep_idempotency_key(last.id)
for _, job in ipairs(jobs) do accept(job, now) end
if last.word ~= 'queued' then return {last.word, now} end
return {last.word, now, queue_position_of(last.id)}
