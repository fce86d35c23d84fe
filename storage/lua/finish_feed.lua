-- Finish the rebuild of a feed: add what was found to what arrived meanwhile, and replace the marks by "built". Without
-- its mark "building", posts may be missing that arrived meanwhile, and nothing is changed.
-- KEYS[1] feed; ARGV[1] most entries, ARGV[2] lifetime in s, ARGV[3] "building", ARGV[4] "built", then score, post id, …
if not redis.call('ZSCORE', KEYS[1], ARGV[3]) then
    return
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '+inf', '+inf')
if ARGV[5] then
    redis.call('ZADD', KEYS[1], unpack(ARGV, 5))
end
redis.call('ZADD', KEYS[1], '+inf', ARGV[4])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[1] - 1)
redis.call('EXPIRE', KEYS[1], ARGV[2])
