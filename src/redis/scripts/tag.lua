-- Unlinks a tag, a set of keys, with all its members.
--
--     KEYS[1]  the tag
--     KEYS[2]  where a large one is put aside
--     ARGV[1]  how many members are unlinked at once; a larger one is put
--              aside for a task, so that it is gone for readers in an instant
--     returns {keys unlinked, what is left to be drained: 1 for what lies
--              aside, 2 for the tag itself, 3 for both, and Redis's words if
--              it refused a member}
--
-- What was put aside by an earlier call stays there until the task has
-- drained it; should whoever made the call have died before there was a task,
-- the next call tells of it again.

local function failed(answer)
    return type(answer) == 'table' and answer.err
end

local tag, aside = KEYS[1], KEYS[2]
local left = redis.call('EXISTS', aside)
local size = redis.pcall('SCARD', tag)

if failed(size) then
    return size
end
if size > tonumber(ARGV[1]) then
    if left == 1 then
        return {0, 3}
    end
    redis.call('RENAME', tag, aside)
    return {0, 1}
end
if size == 0 then
    return {0, left}
end

local members = redis.call('SMEMBERS', tag)
local n = redis.pcall('UNLINK', tag, unpack(members))
if not failed(n) then
    return {n, left}
end

-- One of them was refused: the others go, and the tag stays, for another try.
local words
n = 0
for _, member in ipairs(members) do
    local answer = redis.pcall('UNLINK', member)
    if failed(answer) then
        words = answer.err .. ' (key "' .. member .. '")'
    else
        n = n + answer
    end
end
return {n, left, words}
