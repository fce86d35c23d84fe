-- Update a user's presence. KEYS 1 the user (at:<node>: 1 here, 0 left and waited for;
-- idle:<node>, status, text, version, seen, shown, shown_text), 2 the node's users, 3 quiet, 4 late; ARGV 1 what
-- (here, gone, settle, set, tell), 2 user, 3 node, 4 status, 5 text, 6 version of both, 7 1 if they are idle on the node,
-- 8 ms between two pushes, 9 s all is kept, 10 s that who leaves is waited for.
-- Returns `now` and what to push (status, text, s when last seen), `late` and the ms to wait, or `nothing`.
local person, what = KEYS[1], ARGV[1]
local at, idle = 'at:' .. ARGV[3], 'idle:' .. ARGV[3]
local time = redis.call('TIME')

local fields = {}
local flat = redis.call('HGETALL', person)
for index = 1, #flat, 2 do
    fields[flat[index]] = flat[index + 1]
end
local function set(field, value)
    fields[field] = value
    if value then
        redis.call('HSET', person, field, value)
    else
        redis.call('HDEL', person, field)
    end
end

local status = fields.status or 'online'
if what == 'here' then
    set(at, '1')
    set(idle, ARGV[7] == '1' and '1' or nil)
    redis.call('SADD', KEYS[2], ARGV[2])
    redis.call('EXPIRE', KEYS[2], ARGV[9])
elseif what == 'gone' and fields[at] == '1' then
    set(at, '0') -- counts as online until it is settled
    if status ~= 'invisible' then
        set('seen', time[1])
    end
elseif what == 'settle' and fields[at] ~= '1' then
    set(at, nil)
    set(idle, nil)
    redis.call('SREM', KEYS[2], ARGV[2])
elseif what == 'tell' then
    redis.call('DEL', KEYS[4])
end
if (what == 'set' or what == 'here') and tonumber(ARGV[6]) >= tonumber(fields.version or 0) then
    if ARGV[4] == 'invisible' and status ~= 'invisible' and what == 'set' then
        set('seen', time[1] - ARGV[10]) -- as for a user who left: they were waited for
    end
    status = ARGV[4]
    set('status', status)
    set('text', ARGV[5])
    set('version', ARGV[6])
end
redis.call('EXPIRE', person, ARGV[9])

local places, awake = 0, 0
for field in pairs(fields) do
    if string.sub(field, 1, 3) == 'at:' then
        places = places + 1
        if not fields['idle:' .. string.sub(field, 4)] then
            awake = awake + 1
        end
    end
end
local shown, text = 'offline', ''
if places > 0 and status ~= 'invisible' then
    shown, text = status, fields.text or ''
    if shown == 'online' and awake == 0 then
        shown = 'away'
    end
end
if shown ~= (fields.shown or 'offline') or text ~= (fields.shown_text or '') then
    set('shown', shown)
    set('shown_text', text)
elseif what ~= 'tell' then
    return {'nothing'}
end
if redis.call('SET', KEYS[3], 1, 'NX', 'PX', ARGV[8]) then
    return {'now', shown, text, fields.seen or ''}
end
local wait = math.max(redis.call('PTTL', KEYS[3]), 1)
if redis.call('SET', KEYS[4], 1, 'NX', 'PX', wait + 2000) then
    return {'late', wait}
end
return {'nothing'}
