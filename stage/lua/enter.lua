-- A user enters with a socket on a node. KEYS of roster.lua, then the node's users here, the node's rooms.
-- ARGV 1 user, 2 node, 3 role ('' for a listener), 4 capacity, 5 room, 6 clock when a client that recovers had joined
-- ('' for a new join), 7 the room's version that gave the role. Returns the outcome: inside, full, banned,
-- kicked or ended; whether they were not inside before, how many are now, clock.
local user, node = ARGV[1], ARGV[2]
local role = ARGV[3]
if role ~= '' or redis.call('HEXISTS', VERSIONS, user) == 1 then -- nothing is kept of most listeners
    role = give_role(user, role, ARGV[7])
end
local clock = tick(CLOCK)
local nodes = redis.call('HGET', INSIDE, user)
local is_new = not nodes
if redis.call('HGET', STATE, 'ended') then
    return {'ended', 0, 0, clock}
end
if is_new then
    local barred = redis.call('HGET', BARRED, user)
    if barred and (barred == '' or tonumber(barred) > tonumber(clock) / 1000000) then
        return {'banned', 0, 0, clock}
    end
    local kicked = ARGV[6] ~= '' and redis.call('HGET', KICKED, user)
    if kicked and tonumber(kicked) > tonumber(ARGV[6]) then
        return {'kicked', 0, 0, clock}
    end
    if role == '' and redis.call('HLEN', INSIDE) >= tonumber(ARGV[4]) then
        return {'full', 0, 0, clock}
    end
    redis.call('HSET', INSIDE, user, node)
    redis.call('ZADD', JOINED, clock, user)
elseif not string.find(',' .. nodes .. ',', ',' .. node .. ',', 1, true) then
    redis.call('HSET', INSIDE, user, nodes .. ',' .. node)
end
redis.call('SADD', KEYS[11], user)
redis.call('EXPIRE', KEYS[11], KEPT_S)
redis.call('SADD', KEYS[12], ARGV[5])
redis.call('EXPIRE', KEYS[12], KEPT_S)
if role ~= '' then
    redis.call('HDEL', STATE, 'gone:' .. user, 'empty')
    if is_new then
        redis.call('HSET', STATE, 'restage', 1)
        redis.call('ZADD', DUE, tonumber(clock) / 1000000, ARGV[5]) -- a host may have to be replaced
    end
end
keep()
return {'inside', is_new and 1 or 0, note_count(clock), clock}
