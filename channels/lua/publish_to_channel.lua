-- Publish a push to a channel, once for each id, and keep it for sockets that miss it.
-- KEYS clock, log (push id → offset), bodies (push id → body), state (bytes, cut). ARGV 1 PUBLISH or SPUBLISH,
-- 2 channel, 3 push id, 4 body, 5 most bodies, 6 most bytes, 7 µs they are kept, 8 most ids, 9 s ids are kept,
-- 10 event and 11 order: of pushes that show a state, one older than the newest shown is not published.
-- Returns 1 if it was published now, 0 if before, -1 if it is older than the newest shown.
local offset = tick(KEYS[1])
if ARGV[11] ~= '' then
    if (redis.call('HGET', KEYS[4], 'shown:' .. ARGV[10]) or '') > ARGV[11] then
        return -1
    end
    redis.call('HSET', KEYS[4], 'shown:' .. ARGV[10], ARGV[11])
end
if redis.call('ZADD', KEYS[2], 'NX', offset, ARGV[3]) == 0 then
    return 0
end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
local bytes = redis.call('HINCRBY', KEYS[4], 'bytes', #ARGV[4])
local cut = redis.call('HGET', KEYS[4], 'cut') or '0'
local aged = string.format('%.0f', tonumber(offset) - tonumber(ARGV[7]))
while true do
    local oldest = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. cut, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local too_much = redis.call('HLEN', KEYS[3]) > tonumber(ARGV[5]) or bytes > tonumber(ARGV[6])
    if not oldest[1] or not too_much and tonumber(oldest[2]) > tonumber(aged) then
        break
    end
    bytes = redis.call('HINCRBY', KEYS[4], 'bytes', -redis.call('HSTRLEN', KEYS[3], oldest[1]))
    redis.call('HDEL', KEYS[3], oldest[1])
    cut = oldest[2]
    redis.call('HSET', KEYS[4], 'cut', cut)
end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -tonumber(ARGV[8]) - 1)
for index = 2, 4 do
    redis.call('EXPIRE', KEYS[index], ARGV[9])
end
redis.call(ARGV[1], ARGV[2], 'R' .. offset .. ARGV[4])
return 1
