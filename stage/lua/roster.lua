-- Shared by the scripts of rosters. KEYS of all of them: clock, inside (user → nodes by commas), joined (user →
-- clock), stage (user → role of whoever has one, inside or not), versions (user → the room's when their role was given or
-- taken), hands (user → clock), barred (user → until, s; empty: for good), kicked (user → clock), state (peak, most and
-- last by minute, host, …), due (room → when a keeper looks at it, of the shard).
local CLOCK, INSIDE, JOINED, STAGE, VERSIONS, HANDS, BARRED, KICKED, STATE, DUE = unpack(KEYS)
local KEPT_S = 7 * 86400

local function keep()
    for index = 2, 9 do
        redis.call('EXPIRE', KEYS[index], KEPT_S)
    end
end

-- Note how many are inside: the maximum so far, the maximum of this minute, and the last value of it.
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

-- A role is kept with the room's version that gave it, so that late messages change nothing. '' means listener.
local function role_of(user)
    return redis.call('HGET', STAGE, user) or ''
end

-- Returns the role that holds.
local function give_role(user, role, version)
    if tonumber(version) < tonumber(redis.call('HGET', VERSIONS, user) or 0) then
        return role_of(user)
    end
    redis.call('HSET', VERSIONS, user, version)
    if role == '' then
        redis.call('HDEL', STAGE, user)
    else
        redis.call('HSET', STAGE, user, role)
        redis.call('ZREM', HANDS, user)
    end
    return role
end

-- Returns user, role, … of users on the stage who are inside.
local function on_stage()
    local found = {}
    local stage = redis.call('HGETALL', STAGE)
    for index = 1, #stage, 2 do
        if redis.call('HEXISTS', INSIDE, stage[index]) == 1 then
            found[#found + 1] = stage[index]
            found[#found + 1] = stage[index + 1]
        end
    end
    return found
end

-- Take a user out of the roster, who left at `since`. Returns their role.
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
