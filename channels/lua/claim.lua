-- A client that reconnects claims its session, to get what it missed. It may try more than once.
-- KEYS clock, locations, session, inbox, cut; ARGV as of enter.lua, then 6 where to read from (its last offset; on a
-- cluster 5 s earlier), 7 key prefix of push bodies, 8 pid.
-- Returns the offset now, number of this claim, node of the older socket, channels with their records, and missed offsets
-- with bodies; nil if the session cannot be recovered.
local session = redis.call('HGETALL', KEYS[3])
local fields, channels = {}, {}
for index = 1, #session, 2 do
    local channel = string.match(session[index], '^channel:(.*)')
    if channel then
        channels[#channels + 1] = channel
        channels[#channels + 1] = session[index + 1]
    else
        fields[session[index]] = session[index + 1]
    end
end
if fields.session ~= ARGV[3] then
    return false
end
local offset = tick(KEYS[1])
local now = tonumber(offset) / 1000000
-- Once the location of the older socket has expired, pushes are no longer kept for it.
local older = fields.node .. '/' .. ARGV[8]
if tonumber(redis.call('ZSCORE', KEYS[2], older) or 0) < now then
    return false
end
if not reaches_back(KEYS[1], tonumber(ARGV[6]), redis.call('GET', KEYS[5])) then
    return false
end
local missed = read_inbox(KEYS[4], ARGV[7], ARGV[6])
if not missed then
    return false
end
redis.call('ZREM', KEYS[2], older)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('HSET', KEYS[3], 'node', ARGV[5])
local claim = redis.call('HINCRBY', KEYS[3], 'claim', 1)
redis.call('EXPIRE', KEYS[3], ARGV[4])
return {offset, claim, fields.node, channels, missed}
