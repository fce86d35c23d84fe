-- Add a channel to a session's record: the socket joins it again when its client recovers. KEYS clock, session;
-- ARGV 1 channel, 2 its owner, 3 most channels: with more, the session is forgotten.
local fields = redis.call('HLEN', KEYS[2])
if fields == 0 then
    return 0 -- it was forgotten: the client will load afresh
end
local last = redis.call('HGET', KEYS[1], 'last') -- later pushes have a later offset
fields = fields + redis.call('HSET', KEYS[2], 'channel:' .. ARGV[1], '[' .. ARGV[2] .. ',' .. (last or 0) .. ']')
if fields - 3 > tonumber(ARGV[3]) then -- without the three fields of enter.lua
    redis.call('DEL', KEYS[2])
    return 0
end
return 1
