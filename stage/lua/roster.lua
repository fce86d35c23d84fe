-- What scripts on a room's roster share. KEYS of all of them: clock, inside (user → nodes by commas), joined (user →
-- clock), stage (user → version:role, whoever was given one, inside or not), hands (user → clock), barred (user → until,
-- s; empty: for good), kicked (user → clock), state (peak, most and last by minute, host, …), due (room → when a keeper
-- looks at it, of the shard).
local CLOCK, INSIDE, JOINED, STAGE, HANDS, BARRED, KICKED, STATE, DUE = unpack(KEYS)
local KEPT_S = 7 * 86400

local function keep()
    for index = 2, 8 do
        redis.call('EXPIRE', KEYS[index], KEPT_S)
    end
end

-- How many are inside: the most at all, the most in this minute, and the last of it.
local function note_count(clock)
    local count = redis.call('HLEN', INSIDE)
    local minute = math.floor(tonumber(clock) / 60000000)
    for _, field in ipairs({'peak', 'most:' .. minute}) do
        if count > tonumber(redis.call('HGET', STATE, field) or 0) then
            redis.call('HSET', STATE, field, count)
        end
    end
    redis.call('HSET', STATE, 'last:' .. minute, count)
    return count
end

-- A role stands with the room's version that gave it: what is told late changes nothing. '' is a listener's.
local function role_of(user)
    local version, role = string.match(redis.call('HGET', STAGE, user) or '0:', '^(%d+):(.*)$')
    return role, tonumber(version)
end

-- Answers the role that holds.
local function give_role(user, role, version)
    local held, since = role_of(user)
    if tonumber(version) < since then
        return held
    end
    redis.call('HSET', STAGE, user, version .. ':' .. role)
    if role ~= '' then
        redis.call('ZREM', HANDS, user)
    end
    return role
end

-- user, role, … of those on the stage who are inside.
local function on_stage()
    local found = {}
    for _, user in ipairs(redis.call('HKEYS', STAGE)) do
        local role = role_of(user)
        if role ~= '' and redis.call('HEXISTS', INSIDE, user) == 1 then
            found[#found + 1] = user
            found[#found + 1] = role
        end
    end
    return found
end

-- Out of the roster, where they have been missing since `since`; answers the role of those who had one.
local function take_out(user, since, room)
    redis.call('HDEL', INSIDE, user)
    redis.call('ZREM', JOINED, user)
    redis.call('ZREM', HANDS, user)
    note_count(tick(CLOCK))
    local role = role_of(user)
    if role ~= '' then
        redis.call('HSET', STATE, 'gone:' .. user, since)
        redis.call('HSET', STATE, 'restage', 1)
        redis.call('ZADD', DUE, tonumber(since) / 1000000, room)
    end
    return role
end
