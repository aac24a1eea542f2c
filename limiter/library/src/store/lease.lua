-- Job: RL.LEASE of ringlet-server as a script, for any Redis from version 5 on.
-- In: KEYS[1] is the key; ARGV are the words of RL.LEASE behind it: burst, count, period_ms,
--   holder, sequence, held, returned, want, ttl_ms.
-- Out: granted, remaining, retry_ms, now_ms, epoch_ms, holders; the same errors as the command.
-- Invariant: replies and what the key holds are those of the command, so that either may follow
--   the other on a key. server/src/command/limit/lease.rs says why each step is as it is; what
--   changes there changes here.
-- Numbers are doubles: no sum or product that counts exceeds NUMBER_MAX, and what could is cut
--   before. Nothing is written before all is checked and computed.

local NUMBER_MAX = 9007199254740991
local TTL_MAX_MS = 86400000

local function text(number)
  return string.format('%.0f', number)
end

local function number(word)
  if not (word == '0' or string.find(word, '^[1-9]%d*$')) or #word > 16 then
    return nil
  end
  local value = tonumber(word)
  return value <= NUMBER_MAX and value or nil
end

if #KEYS ~= 1 or #ARGV ~= 9 then
  return redis.error_reply("ERR wrong number of arguments for 'rl.lease' command")
end

local wrong
local function integer(index, name, least, most)
  local value = number(ARGV[index])
  if value and value >= least and value <= most then
    return value
  end
  wrong = wrong or 'ERR ' .. name .. ' must be an integer from ' .. text(least) .. ' to ' .. text(most)
  return least
end

local key, holder = KEYS[1], ARGV[4]
local burst = integer(1, 'burst', 1, NUMBER_MAX)
local count = integer(2, 'count', 1, NUMBER_MAX)
local period_ms = integer(3, 'period_ms', 1, NUMBER_MAX)
if burst > math.floor(NUMBER_MAX / period_ms) then
  wrong = wrong or 'ERR burst times period_ms must be at most ' .. text(NUMBER_MAX)
end
if #holder < 1 or #holder > 64 or string.find(holder, ' ', 1, true) then
  wrong = wrong or 'ERR holder must be 1 to 64 bytes without spaces'
end
local sequence = integer(5, 'sequence', 1, NUMBER_MAX)
local held = integer(6, 'held', 0, NUMBER_MAX)
local returned = integer(7, 'returned', 0, NUMBER_MAX)
local want = integer(8, 'want', 0, NUMBER_MAX)
local ttl_ms = integer(9, 'ttl_ms', 1, TTL_MAX_MS)
if wrong then
  return redis.error_reply(wrong)
end

-- What the key holds.
local function unusable(field, what)
  return redis.error_reply("ERR the key holds no lease: field '" .. string.sub(field, 1, 128) .. "' is " .. what)
end

local stored = redis.pcall('HGETALL', key)
if stored.err then
  return stored
end
local bucket, holders = {}, {}
for index = 1, #stored, 2 do
  local field, value = stored[index], stored[index + 1]
  if field == 'debt' or field == 'at' or field == 'epoch' then
    bucket[field] = number(value)
    if not bucket[field] then
      return unusable(field, 'malformed')
    end
  elseif string.sub(field, 1, 2) == 'h:' then
    local first, second, third = string.match(value, '^(%d+) (%d+) (%d+)$')
    local record = first and {
      field = field, outstanding = number(first), sequence = number(second), expires_ms = number(third),
    }
    if not (record and record.outstanding and record.sequence and record.expires_ms) then
      return unusable(field, 'malformed')
    end
    holders[#holders + 1] = record
  else
    return unusable(field, 'unknown')
  end
end

local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if #stored == 0 then
  bucket = { debt = 0, at = now_ms, epoch = now_ms }
end
for _, field in ipairs({ 'debt', 'at', 'epoch' }) do
  if not bucket[field] then
    return unusable(field, 'missing')
  end
end
-- A clock that steps back counts as no time.
now_ms = math.max(now_ms, bucket.at)

local function worth(tokens)
  return math.min(tokens, math.floor(NUMBER_MAX / period_ms)) * period_ms
end

local function drain(debt, time_ms, outstanding)
  if time_ms >= math.ceil(debt / count) then
    debt = 0
  else
    debt = debt - time_ms * count
  end
  return math.max(debt, worth(outstanding))
end

local own, expired, alive = nil, {}, 0
local own_field = 'h:' .. holder
local total, total_alive, last_ms, others_latest_ms = 0, 0, bucket.at, 0
for _, record in ipairs(holders) do
  total = total + record.outstanding
  if record.expires_ms <= now_ms then
    last_ms = math.max(last_ms, record.expires_ms)
    if record.field ~= own_field then
      expired[#expired + 1] = record.field
    end
  else
    alive = alive + 1
    total_alive = total_alive + record.outstanding
    if record.field == own_field then
      own = record
    else
      others_latest_ms = math.max(others_latest_ms, record.expires_ms)
    end
  end
end
local debt = drain(bucket.debt, last_ms - bucket.at, total)
debt = drain(debt, now_ms - last_ms, total_alive)

local is_late = own ~= nil and own.sequence >= sequence
local had = own and own.outstanding or 0
if not is_late then
  held = math.min(had, held)
  returned = math.min(returned, had - held)
  debt = math.max(debt - returned * period_ms, 0)
end

local free = math.floor(math.max(burst * period_ms - debt, 0) / period_ms)
local granted = is_late and 0 or math.min(want, free)
debt = debt + granted * period_ms
local retry_ms = math.ceil(math.max(debt - (burst - 1) * period_ms, 0) / count)
local reply = { granted, free - granted, retry_ms, now_ms, bucket.epoch, own and alive or alive + 1 }
if is_late then
  return reply
end

local outstanding = held + granted
local expires_ms = math.min(now_ms + ttl_ms, NUMBER_MAX)
local latest_ms = math.max(expires_ms, others_latest_ms)
local drained_ms = math.max(
  now_ms + math.ceil(debt / count),
  latest_ms + math.ceil(worth(total_alive - had + outstanding) / count)
)
local record = text(outstanding) .. ' ' .. text(sequence) .. ' ' .. text(expires_ms)
redis.call('HSET', key, 'debt', text(debt), 'at', text(now_ms), 'epoch', text(bucket.epoch), own_field, record)
for _, field in ipairs(expired) do
  redis.call('HDEL', key, field)
end
redis.call('PEXPIREAT', key, text(math.min(drained_ms + 1, NUMBER_MAX)))
return reply
