-- A socket has closed. KEYS locations, session; ARGV 1 its location, 2 number of its claim, 3 s in which its client may
-- reconnect, 0 if it will not. Changes nothing if the session has been claimed since.
local seconds = tonumber(ARGV[3])
if redis.call('HGET', KEYS[2], 'claim') ~= ARGV[2] then
    return 0
end
if seconds == 0 then
    redis.call('ZREM', KEYS[1], ARGV[1])
else
    redis.call('ZADD', KEYS[1], 'XX', redis.call('TIME')[1] + seconds, ARGV[1])
end
redis.call('EXPIRE', KEYS[2], seconds)
return 1
