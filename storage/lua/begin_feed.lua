-- Begin the rebuild of a feed. KEYS[1] feed; ARGV[1] the mark "building", ARGV[2] its lifetime in s.
redis.call('ZADD', KEYS[1], '+inf', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
