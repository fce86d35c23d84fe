-- Change a user's role. KEYS of roster.lua; ARGV 1 user, 2 role ('' for a listener), 3 room, 4 the room's version
-- that gave it.
local role = give_role(ARGV[1], ARGV[2], ARGV[4])
if redis.call('HEXISTS', INSIDE, ARGV[1]) == 1 then
    redis.call('HDEL', STATE, 'gone:' .. ARGV[1])
    if role ~= '' then
        redis.call('HDEL', STATE, 'empty')
    end
end
redis.call('ZADD', DUE, tonumber(tick(CLOCK)) / 1000000, ARGV[3])
keep()
return 1
