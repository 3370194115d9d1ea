#!lua flags=no-writes
-- Pairs in key order, and the position they stand for.
--
-- KEYS: the partition's values, the index of its keys.
-- ARGV: where to begin ('-' or '(' and the key before), how many pairs at most.
-- Answers the position's field or nil, then keys and values in turn; 'damaged' when the values
-- and the index do not belong together.

local POSITION = '\255position'
-- Arguments of one call: Lua passes fewer than 8,000.
local SLICE = 4000

local stands = redis.call('HGET', KEYS[1], POSITION)
local values = redis.call('HLEN', KEYS[1]) - (stands and 1 or 0)
if values ~= redis.call('ZCARD', KEYS[2]) then
    return 'damaged'
end
local answer = { stands }
local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
for first = 1, #keys, SLICE do
    local last = math.min(first + SLICE - 1, #keys)
    local page = redis.call('HMGET', KEYS[1], unpack(keys, first, last))
    for at = first, last do
        answer[#answer + 1] = keys[at]
        answer[#answer + 1] = page[at - first + 1]
    end
end
return answer
