-- Users enter with sockets on a node. KEYS of roster.lua, then the node's users here, the node's rooms.
-- ARGV 1 node, 2 room, 3 most hands and 4 most users in the snapshot, then for each user: user, role ('' for a listener),
-- the room's version that gave it, capacity, clock when a client that recovers had joined ('' for a new join).
-- Returns a snapshot of the room with them, and then for each user the outcome: inside, full, banned, kicked or ended;
-- whether they were not inside before; the clock when they entered.
local node, room = ARGV[1], ARGV[2]
local users, fields = {}, {'ended', 'host'}
for index = 5, #ARGV, 5 do
    local user = ARGV[index]
    users[#users + 1] = user
    for _, field in ipairs({'version:', 'barred:', 'kicked:'}) do
        fields[#fields + 1] = field .. user
    end
end
local amount = #users
local state = redis.call('HMGET', STATE, unpack(fields))
local given = {}
for number = 1, amount do
    local role = ARGV[5 * number + 1]
    if not state[1] and (role ~= '' or state[3 * number]) then -- nothing is kept of most listeners
        role = give_role(users[number], role, ARGV[5 * number + 2])
    end
    given[number] = role
end
local roles = redis.call('HGETALL', STAGE)
for index = 1, #roles, 2 do
    users[#users + 1] = roles[index]
end
local nodes, count = nodes_of(users), redis.call('HLEN', INSIDE)
local last = tick(CLOCK, amount)

local entered, inside, joined, here = {}, {}, {}, {}
for number = 1, amount do
    local user, role, capacity, before = users[number], given[number], ARGV[5 * number + 3], ARGV[5 * number + 4]
    local barred, kicked = state[3 * number + 1], state[3 * number + 2]
    local clock = string.format('%.0f', tonumber(last) - amount + number)
    local known = nodes[user]
    local outcome = 'inside'
    if state[1] then
        outcome = 'ended'
    elseif not known then
        if barred and (barred == '' or tonumber(barred) > tonumber(clock) / 1000000) then
            outcome = 'banned'
        elseif before ~= '' and kicked and tonumber(kicked) > tonumber(before) then
            outcome = 'kicked'
        elseif role == '' and count >= tonumber(capacity) then
            outcome = 'full'
        else
            count = count + 1
            nodes[user] = node
            joined[#joined + 1] = clock
            joined[#joined + 1] = user
        end
    elseif not string.find(',' .. known .. ',', ',' .. node .. ',', 1, true) then
        nodes[user] = known .. ',' .. node
    end
    if nodes[user] ~= known then
        inside[#inside + 1] = user
        inside[#inside + 1] = nodes[user]
    end
    if outcome == 'inside' then
        here[#here + 1] = user
        if role ~= '' then
            redis.call('HDEL', STATE, 'gone:' .. user, 'empty')
            if not known then
                redis.call('HSET', STATE, 'restage', 1)
                redis.call('ZADD', DUE, tonumber(clock) / 1000000, room) -- a host may have to be replaced
            end
        end
    end
    entered[number] = {outcome, known and 0 or 1, clock}
end
if here[1] then -- all that follows is deleted as users leave, or with the users of a dead node
    redis.call('SADD', KEYS[8], unpack(here))
    redis.call('SADD', KEYS[9], room)
end
if inside[1] then
    redis.call('HSET', INSIDE, unpack(inside))
end
if joined[1] then
    redis.call('ZADD', JOINED, unpack(joined))
end
return {snapshot(last, count, on_stage(roles, nodes), state[2], ARGV[3], 0, ARGV[4]), entered}
