-- GCRA as applications keep it in Redis: KEYS[1]; burst, count, period in seconds, quantity.
-- Replies as redis-cell does: refused, limit, remaining, retry after, reset after.
local burst = tonumber(ARGV[1])
local interval = tonumber(ARGV[3]) / tonumber(ARGV[2])
local quantity = tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local next_arrival = arrival + quantity * interval
local early = next_arrival - burst * interval - now
if early > 0 then
    local remaining = math.floor((burst * interval - arrival + now) / interval)
    return { 1, burst, remaining, math.ceil(early), math.ceil(arrival - now) }
end
local reset = math.ceil(next_arrival - now)
redis.call('SET', KEYS[1], string.format('%.6f', next_arrival), 'EX', reset)
return { 0, burst, math.floor(-early / interval), -1, reset }
