-- Add many posts to one feed if it exists. KEYS[1] feed; ARGV[1] most entries, then score, post id, …
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('ZADD', KEYS[1], unpack(ARGV, 2))
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[1] - 1)
end
