-- Somebody's socket is on a node, and can be recovered from now on.
-- KEYS clock, places, session; ARGV 1 place (node/pid), 2 s it counts, 3 session id, 4 s the record is kept, 5 node.
-- Answers the offset that the socket's pushes come after.
local offset = tick(KEYS[1])
redis.call('ZADD', KEYS[2], tonumber(offset) / 1000000 + tonumber(ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'session', ARGV[3], 'node', ARGV[5], 'claim', 1)
redis.call('EXPIRE', KEYS[3], ARGV[4])
return offset
