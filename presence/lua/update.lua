-- Update the presence of users of one node, and decide for each what to push to watchers.
-- KEYS 1 the node's users, then for each user: their hash, quiet, late.
--   The hash has at:<node> for each node with the user (1: a socket is there; 0: the last one closed, in the grace period),
--   idle:<node> (1 if no socket there has called for long), what the user chose (status, text, version), seen (s when
--   last seen), and what was last pushed to watchers (shown, shown_text).
--   quiet exists for a while after each push: no further push meanwhile. late exists while a push is due after it.
-- ARGV 1 node, 2 ms between two pushes, 3 s all is kept, 4 s of grace period, then for each user: what (here, gone,
--   settle, set, push, see presence/reports.py), user, status, text, version of both, 1 if they are idle on the node.
-- Returns for each user: `now` and what to push (status, text, s when last seen); `late` and the ms after which the
-- caller sends `push`; or `nothing`, if nothing has changed or another caller will send `push`.
local at, idle = 'at:' .. ARGV[1], 'idle:' .. ARGV[1]
local now = redis.call('TIME')[1]

local function update(key, quiet, late, what, user, chosen_status, chosen_text, version, is_idle)
    local fields = {}
    local flat = redis.call('HGETALL', key)
    for index = 1, #flat, 2 do
        fields[flat[index]] = flat[index + 1]
    end
    local function set(field, value)
        fields[field] = value
        if value then
            redis.call('HSET', key, field, value)
        else
            redis.call('HDEL', key, field)
        end
    end

    local status = fields.status
    if what == 'here' then
        set(at, '1')
        set(idle, is_idle == '1' and '1')
        redis.call('SADD', KEYS[1], user)
        redis.call('EXPIRE', KEYS[1], ARGV[3])
    elseif what == 'gone' and fields[at] == '1' then
        set(at, '0') -- counts as online until it is settled
        if status ~= 'invisible' then
            set('seen', now)
        end
    elseif what == 'settle' and fields[at] ~= '1' then
        set(at, nil)
        set(idle, nil)
        redis.call('SREM', KEYS[1], user)
    elseif what == 'push' then
        redis.call('DEL', late)
    end
    if (what == 'set' or what == 'here') and tonumber(version) >= tonumber(fields.version or 0) then
        if chosen_status == 'invisible' and status ~= 'invisible' and what == 'set' then
            set('seen', now - ARGV[4]) -- as for a user who left: after the grace period
        end
        status = chosen_status
        set('status', status)
        set('text', chosen_text)
        set('version', version)
    end
    redis.call('EXPIRE', key, ARGV[3])

    local is_here, is_awake = false, false -- on any node
    for field in pairs(fields) do
        if string.sub(field, 1, 3) == 'at:' then
            is_here = true
            if not fields['idle:' .. string.sub(field, 4)] then
                is_awake = true
            end
        end
    end
    local shown, text = 'offline', ''
    if is_here and status ~= 'invisible' then
        shown, text = status, fields.text
        if shown == 'online' and not is_awake then
            shown = 'away'
        end
    end
    if shown ~= (fields.shown or 'offline') or text ~= (fields.shown_text or '') then
        set('shown', shown)
        set('shown_text', text)
    elseif what ~= 'push' then
        return {'nothing'}
    end
    if redis.call('SET', quiet, 1, 'NX', 'PX', ARGV[2]) then
        return {'now', shown, text, fields.seen or ''}
    end
    local wait = math.max(redis.call('PTTL', quiet), 1)
    if redis.call('SET', late, 1, 'NX', 'PX', wait + 2000) then
        return {'late', wait}
    end
    return {'nothing'}
end

local answers = {}
for index = 1, (#KEYS - 1) / 3 do
    local key, argument = 3 * index - 1, 6 * index - 1
    answers[index] = update(KEYS[key], KEYS[key + 1], KEYS[key + 2], unpack(ARGV, argument, argument + 5))
end
return answers
