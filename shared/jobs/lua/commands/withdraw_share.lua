-- include: keys, shares
-- ARGV: id, share id   ->  1 | 0 when no such link shares this job
if not redis.call('ZSCORE', shares_key(ARGV[1]), ARGV[2]) then return 0 end
withdraw(ARGV[2])
return 1
