-- The shard's clock: microseconds that never stand still or go back, whatever the server's own clock does. What is
-- published is ordered by it. `since` is when its data began: nothing older is known to be whole.
local function tick(clock)
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local last = tonumber(redis.call('HGET', clock, 'last'))
    if last == nil then
        redis.call('HSET', clock, 'since', string.format('%.0f', now))
    elseif now <= last then
        now = last + 1
    end
    local text = string.format('%.0f', now)
    redis.call('HSET', clock, 'last', text)
    return text
end

-- Whether everything after `from` can still be there; `cut` is up to where it has been cut short.
local function reaches_back(clock, from, cut)
    local since = tonumber(redis.call('HGET', clock, 'since'))
    local last = tonumber(redis.call('HGET', clock, 'last'))
    return since ~= nil and from >= since and from <= last and from >= (tonumber(cut) or 0)
end

-- What somebody's inbox holds after `from`: offset, body, offset, body …; nil where a body is missing. Bodies are shared
-- between all whom the push went to.
local function read_inbox(inbox, bodies, from)
    local found = {}
    local entries = redis.call('ZRANGEBYSCORE', inbox, '(' .. from, '+inf', 'WITHSCORES')
    for index = 1, #entries, 2 do
        local body = redis.call('GET', bodies .. entries[index])
        if not body then
            return nil
        end
        found[index] = entries[index + 1]
        found[index + 1] = body
    end
    return found
end
