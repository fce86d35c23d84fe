-- A socket enters a room, and shall again when its client comes back. KEYS clock, session; ARGV 1 room, 2 its owner.
redis.call('HSET', KEYS[2], 'room:' .. ARGV[1], '[' .. ARGV[2] .. ',' .. tick(KEYS[1]) .. ']')
return 1
