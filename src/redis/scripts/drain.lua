-- Unlinks some members of a tag, a set of keys, and takes them out of it.
--
--     KEYS[1]  the tag, or what was put aside of one
--     ARGV[1]  how many members
--     ARGV[2]  "any": what is no set is unlinked, too
--     returns {keys unlinked, 2 if there are more members or else 0, and
--              Redis's words if it refused a member}

local function failed(answer)
    return type(answer) == 'table' and answer.err
end

local members = redis.pcall('SPOP', KEYS[1], ARGV[1])

if failed(members) then
    if ARGV[2] ~= 'any' then
        return members
    end
    local gone = redis.pcall('UNLINK', KEYS[1])
    return failed(gone) and gone or {gone, 0}
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
        else
            n = n + answer
        end
    end
end
return {n, 2 * redis.call('EXISTS', KEYS[1]), words}
