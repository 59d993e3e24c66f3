-- include: common, lifecycle
-- ARGV: id, attempt, ttl_s, number of the first, then for each kind, rate_hz, channels, samples
--   ->  how many entries of this attempt are there now | the job's status | 'gone'
-- chunks:<id>, a stream: kind ('begin' | 'restart' | 'audio' | 'end'), rate, channels, pcm. An entry's id is
-- <attempt>-<number>; an attempt's first entry takes away those of the attempt before. The record's field `chunk` is the
-- last id, and the two change together: when the first to come is not the next one, nothing is written, and the writer
-- goes on where the answer says. The chunks of a job that shares another's generation are that one's.
local id, status, ran = held_by(ARGV[1], ARGV[2])
if not id then
  -- asked again when the answer to its completion was lost: it was completed with all of them
  if status == 'completed' and ran == ARGV[2] then return tonumber(ARGV[4]) - 1 + (#ARGV - 4) / 4 end
  return status or 'gone'
end
local key, attempt, now = chunks_key(id), ARGV[2], now_ms()
local record = redis.call('HMGET', job_key(id), 'chunk', 'model', 'created_ms', 'started_ms')
local of, last = string.match(record[1] or '', '^(%d+)-(%d+)$')
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
  count('first_chunk|' .. record[2] .. '|' .. since .. '|' .. bucket)
  count('first_chunk_ms|' .. record[2] .. '|' .. since, ms)
end

for n = 5, #ARGV, 4 do
  if number > have then
    redis.call('XADD', key, attempt .. '-' .. number, 'kind', ARGV[n], 'rate', ARGV[n + 1], 'channels', ARGV[n + 2],
      'pcm', ARGV[n + 3])
    have = number
    if ARGV[n] == 'audio' and redis.call('HSETNX', job_key(id), 'first_chunk_ms', now) == 1 then
      time_first('accepted', now - record[3])
      time_first('started', now - record[4])
    end
  end
  number = number + 1
end
redis.call('HSET', job_key(id), 'chunk', attempt .. '-' .. have)
return have
