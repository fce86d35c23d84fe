-- The shard's clock: microseconds that always grow, even if the server's clock goes back. Pushes are ordered by it.
-- `since`: the data of the shard are whole from then on.
-- Takes one tick, or `amount` of them. Returns the last.
local function tick(clock, amount)
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local last = tonumber(redis.call('HGET', clock, 'last'))
    if last == nil then
        redis.call('HSET', clock, 'since', string.format('%.0f', now))
    elseif now <= last then
        now = last + 1
    end
    local text = string.format('%.0f', now + (amount or 1) - 1)
    redis.call('HSET', clock, 'last', text)
    return text
end

-- Whether everything after `from` can still be there. `cut`: older entries have been removed up to this clock.
local function reaches_back(clock, from, cut)
    local since = tonumber(redis.call('HGET', clock, 'since'))
    local last = tonumber(redis.call('HGET', clock, 'last'))
    return since ~= nil and from >= since and from <= last and from >= (tonumber(cut) or 0)
end

-- A user's pushes after `from`: offset, body, offset, body …; false if a body is missing. All recipients of a push share
-- its body.
local function read_inbox(inbox, bodies, from)
    local found = {}
    local entries = redis.call('ZRANGEBYSCORE', inbox, '(' .. from, '+inf', 'WITHSCORES')
    for index = 1, #entries, 2 do
        local body = redis.call('GET', bodies .. entries[index])
        if not body then
            return false
        end
        found[index] = entries[index + 1]
        found[index + 1] = body
    end
    return found
end
