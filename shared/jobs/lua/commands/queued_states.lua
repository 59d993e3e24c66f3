-- include: keys, records, queue_position
-- ARGV: id, ...   ->  {{status, model, audio_ms, queue position}, ...} in that order, '' for a record that is gone
local found = {}
for n, id in ipairs(ARGV) do
  local job = read_fields(job_key(id), 'status', 'model', 'audio_ms', 'leader', 'priority', 'place', 'account')
  local position = job.status == 'queued' and queue_position_of(id, job) or {}
  found[n] = {job.status or '', job.model or '', job.audio_ms or 0, position}
end
return found
