-- Add what a user spent on one node. Returns what the user has spent on all nodes and time has not paid back.
-- KEYS[1] hash: spent (ms), at (ms). ARGV[1] spent here since the last time (ms), ARGV[2] paid back per ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = redis.call('HMGET', KEYS[1], 'spent', 'at')
local left = math.max((tonumber(before[1]) or 0) - (now - (tonumber(before[2]) or now)) * ARGV[2], 0)
local spent = left + ARGV[1]
redis.call('HSET', KEYS[1], 'spent', spent, 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(spent / ARGV[2]) + 1000)
return math.floor(spent)
