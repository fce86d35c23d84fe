-- A keeper has looked at a room. KEYS of roster.lua; ARGV 1 room, 2 the time it was due then, 3 when to look again (''
-- for never). A new due time that was set since stays.
if redis.call('ZSCORE', DUE, ARGV[1]) ~= ARGV[2] then
    return 0
end
if ARGV[3] == '' then
    redis.call('ZREM', DUE, ARGV[1])
else
    redis.call('ZADD', DUE, ARGV[3], ARGV[1])
end
return 1
