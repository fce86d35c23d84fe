-- The room as it is now. KEYS of roster.lua; ARGV 1 most hands, 2 clock after which listeners joined, 3 how many of them.
-- Answers clock, how many are inside, stage (user, role, …) of those inside, hands (user, clock, …), and listeners in
-- the order they came in (user, clock, …), the stage among them.
local stage = {}
local roles = redis.call('HGETALL', STAGE)
for index = 1, #roles, 2 do
    if redis.call('HEXISTS', INSIDE, roles[index]) == 1 then
        stage[#stage + 1] = roles[index]
        stage[#stage + 1] = roles[index + 1]
    end
end
return {
    tick(CLOCK), redis.call('HLEN', INSIDE), stage,
    redis.call('ZRANGE', HANDS, 0, ARGV[1] - 1, 'WITHSCORES'),
    redis.call('ZRANGEBYSCORE', JOINED, '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3]),
}
