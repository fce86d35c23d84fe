-- At most once a second for each room, whichever node asks: what there is to tell. KEYS of roster.lua, then pulse,
-- reactions (emoji → count), reacted (message:emoji → count); ARGV 1 ms between two, 2 most kinds of reactions,
-- 3 most of `reacted`, then emoji, message id or '', count, …: reactions since this node last asked.
-- Answers whether it is time, and then how many are inside (-1 where that has been told), whether the stage is to be
-- told anew, reactions (emoji, count, …).
for index = 4, #ARGV, 3 do
    local emoji, message = ARGV[index], ARGV[index + 1]
    if redis.call('HLEN', KEYS[11]) < tonumber(ARGV[2]) or redis.call('HEXISTS', KEYS[11], emoji) == 1 then
        redis.call('HINCRBY', KEYS[11], emoji, ARGV[index + 2])
    end
    if message ~= '' and redis.call('HLEN', KEYS[12]) < tonumber(ARGV[3]) then
        redis.call('HINCRBY', KEYS[12], message .. ':' .. emoji, ARGV[index + 2])
    end
end
redis.call('EXPIRE', KEYS[11], KEPT_S)
redis.call('EXPIRE', KEYS[12], KEPT_S)
if not redis.call('SET', KEYS[10], 1, 'NX', 'PX', ARGV[1]) then
    return {0}
end
local count = redis.call('HLEN', INSIDE)
if redis.call('HGET', STATE, 'told') == tostring(count) then
    count = -1
else
    redis.call('HSET', STATE, 'told', count)
end
local reactions = redis.call('HGETALL', KEYS[11])
redis.call('DEL', KEYS[11])
return {1, count, redis.call('HDEL', STATE, 'restage'), reactions}
