-- What to push to a room, at most once a second for all nodes together. KEYS of roster.lua, then pulse,
-- reactions (emoji → count), reacted (message:emoji → count), messages (id → id, those that there are); ARGV 1 ms between
-- two, 2 most kinds of reactions, 3 most of `reacted`, 4 `again` if the last push failed, then emoji, message
-- id or '', count, …: reactions since this node last asked.
-- Returns whether it is time, how many reactions were dropped, and then how many are inside (-1 if the room knows),
-- whether to push the stage, reactions (emoji, count, …).
local dropped = 0
for index = 5, #ARGV, 3 do
    local emoji, message = ARGV[index], ARGV[index + 1]
    if redis.call('HLEN', KEYS[12]) < tonumber(ARGV[2]) or redis.call('HEXISTS', KEYS[12], emoji) == 1 then
        redis.call('HINCRBY', KEYS[12], emoji, ARGV[index + 2])
    else
        dropped = dropped + tonumber(ARGV[index + 2])
    end
    local field = message .. ':' .. emoji
    if message ~= '' and redis.call('ZSCORE', KEYS[14], message)
        and (redis.call('HLEN', KEYS[13]) < tonumber(ARGV[3]) or redis.call('HEXISTS', KEYS[13], field) == 1) then
        redis.call('HINCRBY', KEYS[13], field, ARGV[index + 2])
    end
end
redis.call('EXPIRE', KEYS[12], KEPT_S)
redis.call('EXPIRE', KEYS[13], KEPT_S)
if not redis.call('SET', KEYS[11], 1, 'NX', 'PX', ARGV[1]) then
    return {0, dropped}
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
local reactions = redis.call('HGETALL', KEYS[12])
redis.call('DEL', KEYS[12])
return {1, dropped, count, restage, reactions}
