-- A node's heartbeat. KEYS nodes (name → time of its last heartbeat, s); ARGV 1 its name, 2 s of silence after which a
-- node is dead. Returns 1 if the node was known and not dead itself, else nil; and the names of dead nodes.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
local lives = known and now - tonumber(known) <= tonumber(ARGV[2])
return {lives, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))}
