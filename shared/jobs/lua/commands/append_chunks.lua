-- include: keys, records, events, leases
-- ARGV: id, attempt, ttl_s, number of the first, then for each kind, rate_hz, channels, samples
--   ->  how many entries of this attempt are there now | the job's status | 'gone'
-- An entry's id is <attempt>-<number>; an attempt's first entry takes away those of the attempt before. The record's
-- field `chunk` is the last id, and the two change together: when the first to come is not the next one, nothing is
-- written, and the writer goes on where the answer says. A duplicate's chunks are those of its primary.
local id, status, ran = owned_by(ARGV[1], ARGV[2])
if not id then
  -- asked again when the answer to its completion was lost: it was completed with all of them
  if status == 'completed' and ran == ARGV[2] then return tonumber(ARGV[4]) - 1 + (#ARGV - 4) / 4 end
  return status or 'gone'
end
local key, attempt, now = chunks_key(id), ARGV[2], now_ms()
local job = read_fields(job_key(id), 'chunk', 'model', 'created_ms', 'started_ms')
local of, last = string.match(job.chunk or '', '^(%d+)-(%d+)$')
local have = of == attempt and tonumber(last) or 0
local number = tonumber(ARGV[4])
if number > have + 1 then return have end
if have == 0 then
  redis.call('DEL', key)
  redis.call('HSET', job_key(id), 'chunks_ttl_s', ARGV[3])
end

local BUCKETS_S = {'0.25', '0.5', '1', '2.5', '5', '10', '30', '60', '120', '300'}
local function time_first(since, ms)
  local bucket = '+Inf'
  for n = #BUCKETS_S, 1, -1 do
    if ms <= tonumber(BUCKETS_S[n]) * 1000 then bucket = BUCKETS_S[n] end
  end
  count('first_chunk|' .. job.model .. '|' .. since .. '|' .. bucket)
  count('first_chunk_ms|' .. job.model .. '|' .. since, ms)
end

for n = 5, #ARGV, 4 do
  if number > have then
    redis.call('XADD', key, attempt .. '-' .. number, 'kind', ARGV[n], 'rate', ARGV[n + 1], 'channels', ARGV[n + 2],
      'pcm', ARGV[n + 3])
    have = number
    if ARGV[n] == 'audio' and redis.call('HSETNX', job_key(id), 'first_chunk_ms', now) == 1 then
      time_first('accepted', now - job.created_ms)
      time_first('started', now - job.started_ms)
    end
  end
  number = number + 1
end
redis.call('HSET', job_key(id), 'chunk', attempt .. '-' .. have)
return have
