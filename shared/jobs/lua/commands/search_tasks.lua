-- include: keys
-- ARGV: account, '1' for favourites alone | '', how many were looked at before, how many to look at now, words...
--   ->  {how many were looked at now, id, ...}: of these, the newest first, those whose search text has all the words
local account, from, most = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local key = ARGV[2] == '1' and favourites_key(account) or account_jobs_key(account)
local ids = redis.call('ZREVRANGE', key, from, from + most - 1)
local found = {#ids}
for _, id in ipairs(ids) do
  local text = redis.call('HGET', job_key(id), 'search')
  local has_all = text
  for n = 5, #ARGV do has_all = has_all and string.find(text, ARGV[n], 1, true) end
  if has_all then table.insert(found, id) end
end
return found
