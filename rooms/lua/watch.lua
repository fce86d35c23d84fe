-- A socket enters a room, and shall again when its client comes back. KEYS clock, session; ARGV 1 room, 2 its owner.
if redis.call('EXISTS', KEYS[2]) == 0 then
    return 0 -- it has been forgotten: whoever comes back starts afresh
end
redis.call('HSET', KEYS[2], 'room:' .. ARGV[1], '[' .. ARGV[2] .. ',' .. tick(KEYS[1]) .. ']')
return 1
