-- Renew a lease that is still ours, or take a free one.
-- KEYS[1] lease; ARGV[1] holder, ARGV[2] lifetime in ms. Returns 1 if it is ours now.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return 1
elseif not holder then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
end
return 0
