-- Shared by the scripts of rosters. KEYS of all of them: clock, inside (user → nodes by commas), joined (user →
-- clock), stage (user → role of whoever has one, inside or not), hands (user → clock), state, due (room → when a keeper
-- looks at it, of the shard).
-- Fields of the state: ended; host; pushed (the last count); restage; empty; peak, most:<minute> and last:<minute> (see
-- note_count); and of some users gone:<user> (since when), version:<user> (the room's when their role was given or
-- taken), barred:<user> (until, s; empty: for good) and kicked:<user> (clock).
local CLOCK, INSIDE, JOINED, STAGE, HANDS, STATE, DUE = unpack(KEYS)
local KEPT_S = 7 * 86400

local function keep()
    for index = 2, 6 do
        redis.call('EXPIRE', KEYS[index], KEPT_S)
    end
end

-- Note how many are inside before so many leave: the maximum so far, the maximum of this minute, and the last value of
-- it. As long as users only enter, the next pulse is early enough. Returns how many are left.
local function note_count(clock, leave)
    local count = redis.call('HLEN', INSIDE)
    local minute = math.floor(tonumber(clock) / 60000000)
    local most = 'most:' .. minute
    local noted = redis.call('HMGET', STATE, 'peak', most)
    redis.call('HSET', STATE, 'peak', math.max(count, tonumber(noted[1] or 0)),
        most, math.max(count, tonumber(noted[2] or 0)), 'last:' .. minute, count - leave)
    return count - leave
end

-- A role is kept with the room's version that gave it, so that late messages change nothing. '' means listener.
local function role_of(user)
    return redis.call('HGET', STAGE, user) or ''
end

-- Returns the role that holds.
local function give_role(user, role, version)
    if tonumber(version) < tonumber(redis.call('HGET', STATE, 'version:' .. user) or 0) then
        return role_of(user)
    end
    redis.call('HSET', STATE, 'version:' .. user, version)
    if role == '' then
        redis.call('HDEL', STAGE, user)
    else
        redis.call('HSET', STAGE, user, role)
        redis.call('ZREM', HANDS, user)
    end
    return role
end

-- Returns user → nodes of those among the users who are inside.
local function nodes_of(users)
    local found = {}
    if users[1] then
        for index, nodes in ipairs(redis.call('HMGET', INSIDE, unpack(users))) do
            found[users[index]] = nodes or nil
        end
    end
    return found
end

-- Returns the roles (user, role, …) of those who are inside, by `nodes_of`.
local function on_stage(roles, nodes)
    local found = {}
    for index = 1, #roles, 2 do
        if nodes[roles[index]] then
            found[#found + 1] = roles[index]
            found[#found + 1] = roles[index + 1]
        end
    end
    return found
end

-- The same, read now.
local function stage_now()
    local roles, users = redis.call('HGETALL', STAGE), {}
    for index = 1, #roles, 2 do
        users[#users + 1] = roles[index]
    end
    return on_stage(roles, nodes_of(users))
end

-- Returns clock, how many are inside, the stage (user, role, …), so many hands (user, clock, …), so many users who joined
-- after a clock, in that order (user, clock, …), and the host that everybody inside may see ('' where none was noted).
local function snapshot(clock, count, stage, host, hands, after, amount)
    return {
        clock, count, stage,
        redis.call('ZRANGE', HANDS, 0, hands - 1, 'WITHSCORES'),
        redis.call('ZRANGEBYSCORE', JOINED, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, amount),
        host or '',
    }
end

-- Take a user out of the roster, who left at `since`. Returns their role, and how many are left inside.
local function take_out(user, since, room)
    local left = note_count(tick(CLOCK), 1)
    redis.call('HDEL', INSIDE, user)
    redis.call('ZREM', JOINED, user)
    redis.call('ZREM', HANDS, user)
    local role = role_of(user)
    if role ~= '' then
        redis.call('HSET', STATE, 'gone:' .. user, since, 'restage', 1)
        redis.call('ZADD', DUE, tonumber(since) / 1000000, room)
    end
    return role, left
end
