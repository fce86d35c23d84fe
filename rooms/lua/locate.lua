-- Which nodes hold these people's sockets. KEYS one sorted set (node → expiry) a person; ARGV[1] now, in seconds.
-- Answers one list of nodes a key.
local found = {}
for index, key in ipairs(KEYS) do
    found[index] = redis.call('ZRANGEBYSCORE', key, '(' .. ARGV[1], '+inf')
end
return found
