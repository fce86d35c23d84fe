-- Add members to a HyperLogLog that the caller keeps; the key exists only meanwhile. Returns the sketch and its estimate.
-- KEYS[1] the key; ARGV[1] the sketch, or nothing for a new one, then the members.
if ARGV[1] ~= '' then
    redis.call('SET', KEYS[1], ARGV[1])
end
for first = 2, #ARGV, 1000 do
    redis.call('PFADD', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
local answer = {redis.call('GET', KEYS[1]), redis.call('PFCOUNT', KEYS[1])}
redis.call('DEL', KEYS[1])
return answer
