-- The room has ended: users can no longer enter, and the data for its digest is kept. KEYS of roster.lua, then reacted,
-- and who was inside; ARGV 1 room. Returns the state (field, value, …), reacted (message:emoji, count, …).
if redis.call('EXISTS', INSIDE) == 1 then
    note_count(tick(CLOCK), 0)
    redis.call('RENAME', INSIDE, KEYS[9])
    redis.call('EXPIRE', KEYS[9], KEPT_S)
end
redis.call('HSET', STATE, 'ended', 1)
redis.call('DEL', JOINED, STAGE, HANDS)
redis.call('ZREM', DUE, ARGV[1])
redis.call('EXPIRE', STATE, KEPT_S)
return {redis.call('HGETALL', STATE), redis.call('HGETALL', KEYS[8])}
