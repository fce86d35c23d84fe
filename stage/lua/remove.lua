-- Somebody is sent out of the room, wherever their sockets are. KEYS of roster.lua; ARGV 1 user, 2 room, 3 `kicked` or
-- `banned`, 4 until (s; empty: for good), 5 µs since 1970: who came in after it has come back since (empty: whenever).
-- Answers whether they were inside, how many are now, their role.
local user = ARGV[1]
local clock = tick(CLOCK)
if ARGV[3] == 'banned' then
    redis.call('HSET', BARRED, user, ARGV[4])
    redis.call('HDEL', STAGE, user)
end
local joined = tonumber(redis.call('ZSCORE', JOINED, user) or 0)
local was_inside = joined > 0 and (ARGV[3] == 'banned' or ARGV[5] == '' or joined <= tonumber(ARGV[5]))
local role = ''
if was_inside then
    role = take_out(user, clock, ARGV[2])
end
if ARGV[3] == 'kicked' and (was_inside or joined == 0) then
    redis.call('HSET', KICKED, user, ARGV[5] ~= '' and ARGV[5] or clock)
end
keep()
return {was_inside and 1 or 0, note_count(clock), role}
