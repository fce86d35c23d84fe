-- A node has connected to the shard's server. If it is another server than before (restarted, or a replica that took
-- over), it may have lost the last writes, so that its data count as whole from now on only.
-- KEYS clock; ARGV 1 the server's run id. Returns the offset now, and since when the data are whole.
local offset = tick(KEYS[1])
if redis.call('HGET', KEYS[1], 'server') ~= ARGV[1] then
    redis.call('HSET', KEYS[1], 'server', ARGV[1], 'since', offset)
end
return {offset, redis.call('HGET', KEYS[1], 'since')}
