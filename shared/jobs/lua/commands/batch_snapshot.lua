-- include: batches
-- ARGV: batch id   ->  {fields, {{record, queue position}, ...}} | nil: a batch and all its jobs, in one round trip
return snapshot_of(ARGV[1])
