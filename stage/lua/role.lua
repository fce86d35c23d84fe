-- Somebody's role is another. KEYS of roster.lua; ARGV 1 user, 2 role ('' for a listener), 3 room. Answers whether they
-- are inside.
if ARGV[2] == '' then
    redis.call('HDEL', STAGE, ARGV[1])
else
    redis.call('HSET', STAGE, ARGV[1], ARGV[2])
    redis.call('ZREM', HANDS, ARGV[1])
end
local is_inside = redis.call('HEXISTS', INSIDE, ARGV[1])
if is_inside == 1 then
    redis.call('HDEL', STATE, 'gone:' .. ARGV[1])
    if ARGV[2] ~= '' then
        redis.call('HDEL', STATE, 'empty')
    end
end
redis.call('ZADD', DUE, tonumber(tick(CLOCK)) / 1000000, ARGV[3])
keep()
return is_inside
