-- At most once a second for each room, whichever node asks: what there is to tell. KEYS of roster.lua, then pulse,
-- reactions (emoji → count), reacted (message:emoji → count), messages (id → id, those that there are); ARGV 1 ms between
-- two, 2 most kinds of reactions, 3 most of `reacted`, 4 `again` where the last telling was cut short, then emoji, message
-- id or '', count, …: reactions since this node last asked.
-- Answers whether it is time, and then how many are inside (-1 where that has been told), whether the stage is to be
-- told anew, reactions (emoji, count, …).
for index = 5, #ARGV, 3 do
    local emoji, message = ARGV[index], ARGV[index + 1]
    if redis.call('HLEN', KEYS[11]) < tonumber(ARGV[2]) or redis.call('HEXISTS', KEYS[11], emoji) == 1 then
        redis.call('HINCRBY', KEYS[11], emoji, ARGV[index + 2])
    end
    local field = message .. ':' .. emoji
    if message ~= '' and redis.call('ZSCORE', KEYS[13], message)
        and (redis.call('HLEN', KEYS[12]) < tonumber(ARGV[3]) or redis.call('HEXISTS', KEYS[12], field) == 1) then
        redis.call('HINCRBY', KEYS[12], field, ARGV[index + 2])
    end
end
redis.call('EXPIRE', KEYS[11], KEPT_S)
redis.call('EXPIRE', KEYS[12], KEPT_S)
if not redis.call('SET', KEYS[10], 1, 'NX', 'PX', ARGV[1]) then
    return {0}
end
local count = redis.call('HLEN', INSIDE)
local restage = redis.call('HDEL', STATE, 'restage')
if ARGV[4] == 'again' then
    restage = 1
elseif redis.call('HGET', STATE, 'told') == tostring(count) then
    count = -1
end
if count >= 0 then
    redis.call('HSET', STATE, 'told', count)
end
local reactions = redis.call('HGETALL', KEYS[11])
redis.call('DEL', KEYS[11])
return {1, count, restage, reactions}
