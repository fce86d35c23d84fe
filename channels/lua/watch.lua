-- A socket enters a channel, and shall again when its client comes back. KEYS clock, session; ARGV 1 channel, 2 its owner,
-- 3 most channels: with more, the session is forgotten.
if redis.call('EXISTS', KEYS[2]) == 0 then
    return 0 -- it has been forgotten: whoever comes back starts afresh
end
redis.call('HSET', KEYS[2], 'channel:' .. ARGV[1], '[' .. ARGV[2] .. ',' .. tick(KEYS[1]) .. ']')
if redis.call('HLEN', KEYS[2]) - 3 > tonumber(ARGV[3]) then -- three fields are no channels, see enter.lua
    redis.call('DEL', KEYS[2])
    return 0
end
return 1
