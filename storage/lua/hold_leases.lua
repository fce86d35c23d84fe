-- Renew leases that are still ours, and take free ones. KEYS leases, in the order in which they are wanted; ARGV 1 holder,
-- 2 lifetime in ms, 3 most leases to hold. Returns for each lease 1 if it is ours now, else 0.
local held, answers = 0, {}
for index, lease in ipairs(KEYS) do
    answers[index] = 0
    if held < tonumber(ARGV[3]) then
        local holder = redis.call('GET', lease) or ARGV[1]
        if holder == ARGV[1] then
            redis.call('SET', lease, holder, 'PX', ARGV[2])
            held, answers[index] = held + 1, 1
        end
    end
end
return answers
