-- Read a channel's log after an offset. KEYS clock, log, bodies, state; ARGV 1 offset.
-- Returns offset, body, offset, body …, or nil if the log does not reach back so far.
if not reaches_back(KEYS[1], tonumber(ARGV[1]), redis.call('HGET', KEYS[4], 'cut')) then
    return false
end
local found = {}
local entries = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES')
for index = 1, #entries, 2 do
    local body = redis.call('HGET', KEYS[3], entries[index])
    if not body then
        return false
    end
    found[index] = entries[index + 1]
    found[index + 1] = body
end
return found
