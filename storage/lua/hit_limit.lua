-- Count hits in a sliding window: those of this window, and those of the window before by the part of it that is less
-- than a period ago. KEYS the windows ("began at (ms), hits in it, hits in the one before"); ARGV 1 now and 2 period (ms),
-- 3 most, 4 hits to add. Returns whether they were added, the hits with them, and the ms until they can be.
local now, period, most, more = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local began, hits, before = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%-?%d+) (%-?%d+)$')
began, hits, before = tonumber(began or now), tonumber(hits or 0), tonumber(before or 0)
now = math.max(now, began) -- clocks of nodes differ a little
if now >= began + 2 * period then
    began, hits, before = now, 0, 0
elseif now >= began + period then
    began, hits, before = began + period, 0, hits
end
local left = began + period - now
local counted = math.floor(before * left / period) + hits + more
if counted > most then
    local wait = left - (most - hits - more + 1) * period / before
    if hits + more > most then -- only once this window is the one before
        wait = left + period - math.max(most - more + 1, 0) * period / math.max(hits, 1)
    end
    return {0, counted, math.floor(wait) + 1}
end
redis.call('SET', KEYS[1], string.format('%.0f %d %d', began, hits + more, before), 'PX', 2 * period)
return {1, counted, 0}
