-- Publish a push to those of a node's people who have not been sent it before.
-- KEYS[1] set of who has been sent it; ARGV[1] channel, ARGV[2] lifetime of the set in s, ARGV[3] body, ARGV[4…] user
-- ids. Answers how many are sent it now.
local fresh = {}
for index = 4, #ARGV do
    if redis.call('SADD', KEYS[1], ARGV[index]) == 1 then
        fresh[#fresh + 1] = ARGV[index]
    end
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
if #fresh > 0 then
    redis.call('PUBLISH', ARGV[1], 'P' .. table.concat(fresh, ',') .. '\n' .. ARGV[3])
end
return #fresh
