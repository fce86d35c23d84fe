-- A socket has joined its session on a node; from now on it can be recovered.
-- KEYS clock, locations, session; ARGV 1 location (node/pid), 2 s until it expires, 3 session id, 4 s the record is kept,
-- 5 node.
-- Returns the offset now: the socket's pushes come after it.
local offset = tick(KEYS[1])
redis.call('ZADD', KEYS[2], tonumber(offset) / 1000000 + tonumber(ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'session', ARGV[3], 'node', ARGV[5], 'claim', 1)
redis.call('EXPIRE', KEYS[3], ARGV[4])
return offset
