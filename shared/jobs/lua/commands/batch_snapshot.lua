-- include: batches
-- ARGV: batch id   ->  {fields, {{record, standing}, ...}} | nil: a batch and all its jobs, in one round trip
return whole_of(ARGV[1])
