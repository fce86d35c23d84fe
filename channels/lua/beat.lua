-- A node lives. KEYS nodes (name → when it last said so, s); ARGV 1 its name, 2 s of silence after which one is dead.
-- Answers whether it was known and not taken for dead by now, and who is dead.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
local lives = known and now - tonumber(known) <= tonumber(ARGV[2])
return {lives and 1 or 0, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))}
