-- include: common, queue_position
-- A batch: jobs that arrived in one step. batch:<id> is a hash: account, source, created_ms, ids (with a space between),
-- open (how many have not ended), and job id -> how it ended. It outlives its jobs' records.

local function ids_of(batch) return ids_in(redis.call('HGET', batch_key(batch), 'ids')) end

-- {fields, {{record, standing}, ...}}; a record that is gone is empty. nil when there is no such batch.
local function whole_of(batch)
  local fields = redis.call('HGETALL', batch_key(batch))
  if #fields == 0 then return nil end
  local found = {}
  for _, id in ipairs(ids_of(batch)) do
    local waits = redis.call('HGET', job_key(id), 'status') == 'queued'
    table.insert(found, {redis.call('HGETALL', job_key(id)), waits and standing_of(id) or {}})
  end
  return {fields, found}
end
