-- Which users have a location that has not expired.
-- KEYS any key of the shard. ARGV 1 now in s, 2 prefix of users' locations, 3… user ids. Returns the ids of those users.
local online = {}
for index = 3, #ARGV do
    if redis.call('ZCOUNT', ARGV[2] .. ARGV[index], ARGV[1], '+inf') > 0 then
        online[#online + 1] = ARGV[index]
    end
end
return online
