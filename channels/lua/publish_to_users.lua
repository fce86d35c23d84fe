-- Publish a push to users who are online or may reconnect, once to each, and keep it in their inboxes.
-- KEYS clock, body. ARGV 1 PUBLISH or SPUBLISH, 2 prefix of the nodes' channels, 3 push id,
-- 4 body, 5 most ids in an inbox, 6 s ids are kept, 7 s the body is kept (0: nothing is kept), prefixes of users' keys:
-- 8 locations (node/pid → expiry), 9 inbox (push id → offset), 10 cut; 11… user ids.
-- A node's message: P, offset, user ids by commas, line feed, body.
local offset = tick(KEYS[1])
local now = tonumber(offset) / 1000000
local kept = ARGV[7] ~= '0'
local nodes, by_node = {}, {}
for index = 11, #ARGV do
    local at = redis.call('ZRANGEBYSCORE', ARGV[8] .. ARGV[index], now, '+inf')
    local inbox = ARGV[9] .. ARGV[index]
    if at[1] and (not kept or redis.call('ZADD', inbox, 'NX', offset, ARGV[3]) == 1) then
        if kept then
            redis.call('EXPIRE', inbox, ARGV[6])
            while redis.call('ZCARD', inbox) > tonumber(ARGV[5]) do
                local oldest = redis.call('ZPOPMIN', inbox)
                redis.call('SET', ARGV[10] .. ARGV[index], oldest[2], 'EX', ARGV[6])
            end
        end
        for _, location in ipairs(at) do
            local node = string.match(location, '^[^/]+')
            local users = by_node[node]
            if not users then
                users = {}
                by_node[node] = users
                nodes[#nodes + 1] = node
            end
            if users[#users] ~= ARGV[index] then
                users[#users + 1] = ARGV[index]
            end
        end
    end
end
if nodes[1] and kept then
    redis.call('SET', KEYS[2], ARGV[4], 'EX', ARGV[7])
end
for _, node in ipairs(nodes) do
    local users = table.concat(by_node[node], ',')
    redis.call(ARGV[1], ARGV[2] .. node, 'P' .. offset .. users .. '\n' .. ARGV[4])
end
return 1
