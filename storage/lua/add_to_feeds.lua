-- Add a post to those inboxes that exist. An expired inbox must not be created with one post in it.
-- KEYS inboxes; ARGV[1] score, ARGV[2] post id, ARGV[3] most entries an inbox keeps.
for _, inbox in ipairs(KEYS) do
    if redis.call('EXISTS', inbox) == 1 then
        redis.call('ZADD', inbox, ARGV[1], ARGV[2])
        redis.call('ZREMRANGEBYRANK', inbox, 0, -ARGV[3] - 1)
    end
end
