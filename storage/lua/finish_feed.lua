-- Finish the rebuild of a feed: add what was found to what arrived meanwhile, and replace "building" by "built".
-- KEYS[1] feed; ARGV[1] most entries, ARGV[2] lifetime in s, then score, post id, …
if ARGV[3] then
    redis.call('ZADD', KEYS[1], unpack(ARGV, 3))
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[1] - 1)
redis.call('ZREM', KEYS[1], 'building')
redis.call('ZADD', KEYS[1], '+inf', 'built')
redis.call('EXPIRE', KEYS[1], ARGV[2])
