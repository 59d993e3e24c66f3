-- include: keys, records, queue_position
-- A batch: jobs that were accepted in one step. Its record outlives those of its jobs.

local function ids_of(batch) return split_ids(redis.call('HGET', batch_key(batch), 'ids')) end

-- {fields, {{record, queue position}, ...}}; a record that is gone is empty. nil when there is no such batch.
local function snapshot_of(batch)
  local fields = redis.call('HGETALL', batch_key(batch))
  if #fields == 0 then return nil end
  local found = {}
  for _, id in ipairs(ids_of(batch)) do
    local waits = redis.call('HGET', job_key(id), 'status') == 'queued'
    table.insert(found, {redis.call('HGETALL', job_key(id)), waits and queue_position_of(id) or {}})
  end
  return {fields, found}
end
