-- A user has no socket on a node any more. KEYS of roster.lua, then the node's users here, the node's rooms; ARGV 1 user,
-- 2 node, 3 room, 4 µs since they left. Returns 1 if no node has them any more, how many are inside, their role.
local user, node = ARGV[1], ARGV[2]
redis.call('SREM', KEYS[8], user)
if redis.call('SCARD', KEYS[8]) == 0 then
    redis.call('SREM', KEYS[9], ARGV[3])
end
local nodes = redis.call('HGET', INSIDE, user)
if not nodes then
    return {0, redis.call('HLEN', INSIDE), ''}
end
local others = {}
for each in string.gmatch(nodes, '[^,]+') do
    if each ~= node then
        others[#others + 1] = each
    end
end
if others[1] then
    redis.call('HSET', INSIDE, user, table.concat(others, ','))
    return {0, redis.call('HLEN', INSIDE), ''}
end
local role, left = take_out(user, string.format('%.0f', tonumber(tick(CLOCK)) - tonumber(ARGV[4])), ARGV[3])
return {1, left, role}
