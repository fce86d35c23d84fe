-- A node has connected to the shard's server. Another server than last time (restarted, or a replica that took over)
-- may have lost what was published last, so its data count as beginning now.
-- KEYS clock; ARGV 1 the server's run id. Answers the offset now, and since when the data are whole.
local offset = tick(KEYS[1])
if redis.call('HGET', KEYS[1], 'server') ~= ARGV[1] then
    redis.call('HSET', KEYS[1], 'server', ARGV[1], 'since', offset)
end
return {offset, redis.call('HGET', KEYS[1], 'since')}
