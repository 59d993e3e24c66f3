-- What every transition needs to read records.

-- The named fields of a hash, by their names; one that is missing is false.
local function read_fields(key, ...)
  local names, values, record = {...}, redis.call('HMGET', key, ...), {}
  for n = 1, #names do record[names[n]] = values[n] end
  return record
end

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Ids with a space between.
local function split_ids(text)
  local ids = {}
  for id in string.gmatch(text or '', '%S+') do table.insert(ids, id) end
  return ids
end

local function is_unfinished(status) return status == 'queued' or status == 'running' end
