-- Keep a process among the members of a group, and forget those that have died. KEYS[1] members, by the time until which
-- each counts; ARGV 1 the process, 2 seconds for which it counts. Returns how many members there are.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000  -- by one clock: those of the processes may differ by more than a lease
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZCARD', KEYS[1])
