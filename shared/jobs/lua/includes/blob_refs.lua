-- include: keys
-- Which jobs need which blobs, and until when. A blob that nobody refers to is the cleaner's.

-- This job needs that blob until then; '+inf' until it ends.
local function refer(blob, id, until_ms)
  local key = blob_refs_key(blob)
  redis.call('ZADD', key, until_ms, id)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  if last == 'inf' then redis.call('PERSIST', key) else redis.call('PEXPIREAT', key, last) end
end

-- The same of each blob in a JSON list.
local function refer_all(blobs, id, until_ms)
  for _, blob in ipairs(cjson.decode(blobs)) do refer(blob, id, until_ms) end
end

-- The codes of a clip lie beside its audio.
local function codes_of(blob) return (string.gsub(blob, '%.%w+$', '.codes')) end

-- The same of a result: its audio, and its codes.
local function refer_result(blob, id, until_ms)
  refer(blob, id, until_ms)
  refer(codes_of(blob), id, until_ms)
end
