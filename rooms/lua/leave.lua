-- A socket is gone. KEYS nodes, session; ARGV 1 node, 2 whether it was the person's last one there, 3 number of the
-- socket's claim, 4 s in which it may come back; 0 where the client said goodbye.
local seconds = tonumber(ARGV[4])
if ARGV[2] == '1' then
    if seconds == 0 then
        redis.call('ZREM', KEYS[1], ARGV[1])
    else
        redis.call('ZADD', KEYS[1], redis.call('TIME')[1] + seconds, ARGV[1])
        redis.call('EXPIRE', KEYS[1], seconds * 2)
    end
end
if redis.call('HGET', KEYS[2], 'claim') == ARGV[3] then
    redis.call('EXPIRE', KEYS[2], seconds)
end
return 1
