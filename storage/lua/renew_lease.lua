-- Keep a lease that is still ours, or take it when nobody has it.
-- KEYS[1] lease; ARGV[1] holder, ARGV[2] lifetime in ms. Answers 1 when it is ours now.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return 1
elseif not holder then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
end
return 0
