-- Add a channel to a session's record: the socket joins it again when its client recovers. KEYS clock, session;
-- ARGV 1 channel, 2 its owner, 3 most channels: with more, the session is forgotten.
if redis.call('EXISTS', KEYS[2]) == 0 then
    return 0 -- it was forgotten: the client will load afresh
end
redis.call('HSET', KEYS[2], 'channel:' .. ARGV[1], '[' .. ARGV[2] .. ',' .. tick(KEYS[1]) .. ']')
if redis.call('HLEN', KEYS[2]) - 3 > tonumber(ARGV[3]) then -- without the three fields of enter.lua
    redis.call('DEL', KEYS[2])
    return 0
end
return 1
