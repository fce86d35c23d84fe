-- A hand goes up or down. KEYS of roster.lua; ARGV 1 user, 2 `up` or `down`. Returns whether they are inside.
if redis.call('HEXISTS', INSIDE, ARGV[1]) == 0 then
    return 0
end
local changed
if ARGV[2] == 'up' then
    if role_of(ARGV[1]) ~= '' then
        return 1
    end
    changed = redis.call('ZADD', HANDS, 'NX', tick(CLOCK), ARGV[1])
else
    changed = redis.call('ZREM', HANDS, ARGV[1])
end
if changed == 1 then
    redis.call('HSET', STATE, 'restage', 1)
end
keep()
return 1
