-- Raises counters that cached keys carry.
--
--     KEYS  the counters
--     returns how many there were
--
-- A counter that does not exist, because it is new or was lost, begins with
-- the server's time in microseconds: above everything that it was before, as
-- long as nobody raises it a million times a second. A reader that finds none
-- makes it in the same way.
--
-- A Redis that is full refuses INCR. Then the counter is removed, which is
-- not refused and does as well: the next reader makes a new one.

local function is_full(answer)
    return string.find(answer.err, 'OOM', 1, true) ~= nil
end

local time = redis.call('TIME')
local start = time[1] .. string.format('%06d', time[2])

for _, key in ipairs(KEYS) do
    local answer
    if redis.call('EXISTS', key) == 1 then
        answer = redis.pcall('INCR', key)
        if type(answer) == 'table' and answer.err and is_full(answer) then
            answer = redis.pcall('UNLINK', key)
        end
    else
        answer = redis.pcall('SET', key, start)
        if answer.err and is_full(answer) then
            answer = 0
        end
    end
    if type(answer) == 'table' and answer.err then
        return answer
    end
end
return #KEYS
