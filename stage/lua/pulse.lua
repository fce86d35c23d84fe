-- Collect the changes to push to a room. All nodes together get them at most once a second, large rooms less often.
-- KEYS of roster.lua, then pulse,
-- reactions (emoji → count), reacted (message:emoji → count), messages (id → id, those that there are); ARGV 1 ms between
-- two, 2 most kinds of reactions, 3 most of `reacted`, 4 `again` if the last push failed, then emoji, message
-- id or '', count, …: reactions since this node last asked.
-- Returns whether it is time, how many reactions were dropped, and then how many are inside (-1 if the room knows),
-- whether to push the stage, reactions (emoji, count, …).
local MS_OF_A_USER, MOST_MS = 0.2, 5000 -- each of the users inside costs a node a write: 10,000 of them wait for 2 s
local dropped = 0
for index = 5, #ARGV, 3 do
    local emoji, message = ARGV[index], ARGV[index + 1]
    if redis.call('HLEN', KEYS[9]) < tonumber(ARGV[2]) or redis.call('HEXISTS', KEYS[9], emoji) == 1 then
        redis.call('HINCRBY', KEYS[9], emoji, ARGV[index + 2])
    else
        dropped = dropped + tonumber(ARGV[index + 2])
    end
    local field = message .. ':' .. emoji
    if message ~= '' and redis.call('ZSCORE', KEYS[11], message)
        and (redis.call('HLEN', KEYS[10]) < tonumber(ARGV[3]) or redis.call('HEXISTS', KEYS[10], field) == 1) then
        redis.call('HINCRBY', KEYS[10], field, ARGV[index + 2])
    end
end
if ARGV[5] then
    redis.call('EXPIRE', KEYS[9], KEPT_S)
    redis.call('EXPIRE', KEYS[10], KEPT_S)
end
local pause = math.min(math.floor(redis.call('HLEN', INSIDE) * MS_OF_A_USER), MOST_MS)
if not redis.call('SET', KEYS[8], 1, 'NX', 'PX', math.max(tonumber(ARGV[1]), pause)) then
    return {0, dropped}
end
keep()
local count = note_count(tick(CLOCK), 0)
local restage = redis.call('HDEL', STATE, 'restage')
if ARGV[4] == 'again' then
    restage = 1
elseif redis.call('HGET', STATE, 'pushed') == tostring(count) then
    count = -1
end
if count >= 0 then
    redis.call('HSET', STATE, 'pushed', count)
end
local reactions = redis.call('HGETALL', KEYS[9])
redis.call('DEL', KEYS[9])
return {1, dropped, count, restage, reactions}
