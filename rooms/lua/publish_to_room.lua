-- Publish a push to a room, once. KEYS[1] mark of the push; ARGV[1] channel, ARGV[2] lifetime of the mark in s, ARGV[3]
-- body. Answers 1 if it was published now.
if redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[2]) then
    redis.call('PUBLISH', ARGV[1], ARGV[3])
    return 1
end
return 0
