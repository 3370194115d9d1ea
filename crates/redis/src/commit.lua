#!lua
-- One commit: all changes and the position, if the position is the expected one.
--
-- KEYS: the partition's values, the index of its keys.
-- ARGV: the expected position, the next one, the token of this commit, how many values are set,
--       each of them with its key before it, the keys that are deleted.
-- Answers 1 when it is done, the position found when that is another one, 'damaged' when the
-- values and the index do not belong together.
--
-- Redis refuses the script before it begins when memory is short (no flag allow-oom), so it
-- never stops half-way.

local POSITION = '\255position'
-- Arguments of one call: Lua passes fewer than 8,000.
local SLICE = 4000

local found, token = '0', ''
local stands = redis.call('HGET', KEYS[1], POSITION)
if stands then
    found, token = string.match(stands, '^(%d+) (%S+)$')
end
local values = redis.call('HLEN', KEYS[1]) - (stands and 1 or 0)
if not found or values ~= redis.call('ZCARD', KEYS[2]) then
    return 'damaged'
end
if token == ARGV[3] then
    -- The same commit, sent again by a client that lost the answer.
    return 1
end
if found ~= ARGV[1] then
    return found
end

local last_value = 4 + 2 * tonumber(ARGV[4])
for first = 5, last_value, SLICE do
    local last = math.min(first + SLICE - 1, last_value)
    -- The index has work only with keys that were not there: it is the one thing whose cost
    -- grows, with the logarithm of their number.
    if redis.call('HSET', KEYS[1], unpack(ARGV, first, last)) > 0 then
        local entries = {}
        for at = first, last, 2 do
            entries[#entries + 1] = '0'
            entries[#entries + 1] = ARGV[at]
        end
        redis.call('ZADD', KEYS[2], unpack(entries))
    end
end
for first = last_value + 1, #ARGV, SLICE do
    local last = math.min(first + SLICE - 1, #ARGV)
    if redis.call('HDEL', KEYS[1], unpack(ARGV, first, last)) > 0 then
        redis.call('ZREM', KEYS[2], unpack(ARGV, first, last))
    end
end
redis.call('HSET', KEYS[1], POSITION, ARGV[2] .. ' ' .. ARGV[3])
return 1
