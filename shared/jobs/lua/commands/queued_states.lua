-- include: common, queue_position
-- ARGV: id, ...   ->  {{status, model, audio_ms, standing}, ...} in that order, '' for a record that is gone
local found = {}
for _, id in ipairs(ARGV) do
  local job = redis.call('HMGET', job_key(id), 'status', 'model', 'audio_ms')
  table.insert(found, {job[1] or '', job[2] or '', job[3] or 0, job[1] == 'queued' and standing_of(id) or {}})
end
return found
