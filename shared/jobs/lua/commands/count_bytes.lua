-- include: keys
-- ARGV: account, month, bytes, most | '', ttl_s of the count, task id of a link | '', ttl_s of the link
--   ->  1 | 0 when they are more than the month allows: then nothing is counted
-- Audio that an account is given. A link to a task's audio counts once in its lifetime, however often it is given out.
local used_key, bytes, most = bytes_served_key(ARGV[1], ARGV[2]), ARGV[3], ARGV[4]
local link_key = ARGV[6] ~= '' and counted_link_key(ARGV[1], ARGV[6])
if link_key and redis.call('EXISTS', link_key) == 1 then return 1 end
local used = tonumber(redis.call('GET', used_key) or 0)
if most ~= '' and used + bytes > tonumber(most) then return 0 end
redis.call('INCRBY', used_key, bytes)
redis.call('EXPIRE', used_key, ARGV[5])
if link_key then redis.call('SET', link_key, 1, 'EX', ARGV[7]) end
return 1
