-- Add a post to those feeds that exist. An expired feed must not be created with one post in it.
-- KEYS feeds; ARGV[1] score, ARGV[2] post id, ARGV[3] most entries a feed keeps.
for _, feed in ipairs(KEYS) do
    if redis.call('EXISTS', feed) == 1 then
        redis.call('ZADD', feed, ARGV[1], ARGV[2])
        redis.call('ZREMRANGEBYRANK', feed, 0, -ARGV[3] - 1)
    end
end
