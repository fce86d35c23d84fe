-- A snapshot of the room. KEYS of roster.lua; ARGV 1 most hands, 2 clock after which users joined, 3 how many of them.
-- Returns clock, how many are inside, stage (user, role, …) of those inside, hands (user, clock, …), users in the
-- order they entered (user, clock, …), and the host that everybody inside may see ('' where none was noted).
return {
    tick(CLOCK), redis.call('HLEN', INSIDE), on_stage(),
    redis.call('ZRANGE', HANDS, 0, ARGV[1] - 1, 'WITHSCORES'),
    redis.call('ZRANGEBYSCORE', JOINED, '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3]),
    redis.call('HGET', STATE, 'host') or '',
}
