-- A snapshot of the room. KEYS of roster.lua; ARGV 1 most hands, 2 clock after which users joined, 3 how many of them.
return snapshot(tick(CLOCK), redis.call('HLEN', INSIDE), stage_now(), redis.call('HGET', STATE, 'host'), unpack(ARGV))
