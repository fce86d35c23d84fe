-- Count the records of a stream after an id. KEYS[1] stream; ARGV[1] id, ARGV[2] most that are counted.
return #redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
