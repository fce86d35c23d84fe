-- Remove a user from the room, on all nodes. KEYS of roster.lua; ARGV 1 user, 2 room, 3 `kicked` or
-- `banned`, 4 until (s; empty: for good), 5 a clock: a user who entered after it stays (empty: nobody does),
-- 6 the room's version. Returns `out` if the user was inside, `away` if not, `back` if they entered since; how many are
-- inside now, the role they had, and a clock: users who entered at or before it are out.
local user, is_ban = ARGV[1], ARGV[3] == 'banned'
local clock = tick(CLOCK)
local joined = redis.call('ZSCORE', JOINED, user)
local outcome, role = 'away', ''
if joined and not is_ban and ARGV[5] ~= '' and tonumber(joined) > tonumber(ARGV[5]) then
    outcome = 'back'
elseif joined then
    outcome = 'out'
    role = take_out(user, clock, ARGV[2])
end
if is_ban then
    redis.call('HSET', STATE, 'barred:' .. user, ARGV[4])
elseif outcome == 'out' or ARGV[5] == '' then
    redis.call('HSET', STATE, 'kicked:' .. user, clock)
end
if outcome ~= 'back' and redis.call('HEXISTS', STATE, 'version:' .. user) == 1 then
    give_role(user, '', ARGV[6])
end
keep()
return {outcome, redis.call('HLEN', INSIDE), role, not is_ban and redis.call('HGET', STATE, 'kicked:' .. user) or clock}
