-- Read a user's inbox after an offset. KEYS clock, inbox, cut; ARGV 1 offset, 2 prefix of the
-- bodies. Returns offset, body, …, or nil if it does not reach back so far.
if not reaches_back(KEYS[1], tonumber(ARGV[1]), redis.call('GET', KEYS[3])) then
    return false
end
return read_inbox(KEYS[2], ARGV[2], ARGV[1])
