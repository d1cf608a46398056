-- Unlinks some members of a tag, a set of keys, and takes them out of it.
--
--     KEYS[1]  the tag, or what was put aside of one
--     KEYS[2]  where members are kept that Redis refuses to unlink
--     ARGV[1]  how many members
--     ARGV[2]  "any": what is no set is unlinked, too
--     ARGV[3]  "back": refused members become the set again when no other is
--              left
--     returns {keys unlinked, 2 if there are more members or else 0, and
--              Redis's words if it refused a member}
--
-- What is refused must not be lost, for it is to be tried again when the cause
-- is gone; nor may it be met again and again by this drain.  Of a tag it goes
-- back, where the next change of the tag finds it; what was put aside is not in
-- the way of the next large one.  A drain that begins with nothing else to do
-- tries again what is kept.

local function failed(answer)
    return type(answer) == 'table' and answer.err
end

local set, kept = KEYS[1], KEYS[2]
local members = redis.pcall('SPOP', set, ARGV[1])

if failed(members) then
    if ARGV[2] ~= 'any' then
        return members
    end
    local gone = redis.pcall('UNLINK', set)
    return failed(gone) and gone or {gone, 0}
end
if #members == 0 and redis.call('EXISTS', kept) == 1 then
    redis.call('RENAME', kept, set)
    members = redis.call('SPOP', set, ARGV[1])
end
if #members == 0 then
    return {0, 0}
end

local n = redis.pcall('UNLINK', unpack(members))
local words
if failed(n) then
    n = 0
    for _, member in ipairs(members) do
        local answer = redis.pcall('UNLINK', member)
        if failed(answer) then
            words = answer.err .. ' (key "' .. member .. '")'
            -- Refused itself, by a full Redis, the words are all that is left.
            redis.pcall('SADD', kept, member)
        else
            n = n + answer
        end
    end
end
if redis.call('EXISTS', set) == 1 then
    return {n, 2, words}
end
if ARGV[3] == 'back' and redis.call('EXISTS', kept) == 1 then
    redis.call('RENAME', kept, set)
end
return {n, 0, words}
