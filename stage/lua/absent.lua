-- For how long the host and the whole stage have been away. KEYS of roster.lua; ARGV 1 host. Returns µs since the host
-- left (-1: is inside), and µs since the stage is empty (-1: it is not). What is not known counts from now.
local clock = tick(CLOCK)
local function since(field)
    local began = redis.call('HGET', STATE, field)
    if not began then
        redis.call('HSET', STATE, field, clock)
        keep()
        began = clock
    end
    return tonumber(clock) - tonumber(began)
end
local host_gone, empty = -1, -1
if redis.call('HEXISTS', INSIDE, ARGV[1]) == 0 then
    host_gone = since('gone:' .. ARGV[1])
end
if host_gone >= 0 and not stage_now()[1] then
    empty = since('empty')
end
return {host_gone, empty}
