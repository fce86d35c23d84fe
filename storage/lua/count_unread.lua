-- How many records of a stream come after a place. KEYS 1 the stream; ARGV 1 the place, 2 the most that are counted.
return #redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
