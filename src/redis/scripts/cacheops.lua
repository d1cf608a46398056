-- Invalidates what django-cacheops cached of some rows of a table.
--
--     KEYS[1]  how the names of the table's dependencies begin:
--              PREFIX "conj:" TABLE ":"
--     KEYS[2]  how the names begin under which large ones are put aside
--     ARGV[1]  TABLE
--     ARGV[2]  "row": a field that is not given may have any value;
--              "inner": the same, but no outer join finds more or less;
--              "part": what depends on such a field is left alone
--     ARGV[3]  "classic", "insideout" or "auto": the layouts in use
--     ARGV[4]  how many cache keys of one dependency are unlinked at once
--     ARGV[5]  how many rows there are
--     ARGV[6]  their fields: "id!,owner_id=own,name"; "!" is NOT NULL, "=" is
--              before another name of the same field
--     ARGV[7]  and so on: for each row a cell for each field, as
--              src/core/cacheops.h has them
--     returns {keys unlinked, rows done, keys that are put aside, patterns,
--              Redis's words if it refused a key}
--
-- PREFIX "schemes:" TABLE is a set of lists of fields. For each of them and each
-- row there may be a dependency, whose name has the fields in the order of the
-- list: a set of cache keys (layout "classic"), which go with it, or a string
-- (layout "insideout"), whose absence makes the cache keys worthless. Reading
-- and removing one is a single step here: else a cache key that is added in
-- between would outlive its dependency.
--
-- What Redis is kept busy with is bounded. Rows that are not done any more are
-- to be sent again; so are all whose dependencies were not reached. To do one
-- twice is harmless. Where the value of a field is not known, or has too many
-- spellings, the caller has to look for the keys that match a pattern.

local conj, aside, name, mode = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local limit, n_rows = tonumber(ARGV[4]), tonumber(ARGV[5])
local args = ARGV -- a local variable is found faster
local FIRST_CELL = 7
local PROBES = 600 -- of keys in one call
local MEMBERS = 1000 -- that are unlinked in one call
local CHUNK = 100 -- keys in one command
local COMBINATIONS = 512 -- of spellings, of one row and scheme
local PATTERNS = 50
local SLOTS = 8 -- large dependencies of one table that wait to be drained

local prefix = string.sub(conj, 1, #conj - #name - #'conj::')
local layouts = {}
if ARGV[3] ~= 'insideout' then layouts[#layouts + 1] = 1 end
if ARGV[3] ~= 'classic' then layouts[#layouts + 1] = 2 end

-- Fields.

local columns, not_null, n_columns = {}, {}, 0
for item in string.gmatch(ARGV[6], '[^,]+') do
    n_columns = n_columns + 1
    for field in string.gmatch(item, '[^=!]+') do
        columns[field] = n_columns
        not_null[field] = string.sub(item, -1) == '!'
    end
end

-- Schemes: lists of columns, false for one that is not given, and of the texts
-- that stand before their values in a name.

local function read_scheme(text)
    local scheme = {before = {}}
    for field in string.gmatch(text, '[^,]+') do
        local joint = #scheme > 0 and '&' or conj
        scheme[#scheme + 1] = columns[field] or false
        scheme.before[#scheme] = joint .. field .. '='
        if not columns[field] then
            scheme.is_partial = true
        end
        scheme.has_not_null = scheme.has_not_null or not_null[field]
    end
    return scheme
end

local schemes = {}
local texts = redis.pcall('SMEMBERS', prefix .. 'schemes:' .. name)
if texts.err then
    return texts
end
for _, text in ipairs(texts) do
    local scheme = read_scheme(text)
    if mode ~= 'part' or not scheme.is_partial then
        schemes[#schemes + 1] = scheme
    end
end

-- Spellings: for a cell two lists, of the classic layout and of the other one;
-- the same list where they do not differ.

local NULL = {{tostring(cjson.null)}, {'None'}}

local OFFSETS = { -- of the civil time zones, in minutes
    -720, -660, -600, -570, -540, -480, -420, -360, -300, -240, -210, -180,
    -150, -120, -60, 0, 60, 120, 180, 210, 240, 270, 300, 330, 345, 360, 390,
    420, 480, 525, 540, 570, 600, 630, 660, 720, 765, 780, 825, 840,
}

-- Integers of up to 14 digits are printed as they are, by any Lua.
local function number_text(digits)
    if #digits < 15 and string.find(digits, '^-?[1-9]%d*$') then
        return digits
    end
    local ok, list = pcall(cjson.decode, '[' .. digits .. ']')
    return ok and tostring(list[1]) or digits
end

-- http://howardhinnant.github.io/date_algorithms.html, civil_from_days()
local function date_text(days)
    days = days + 719468
    local era = math.floor(days / 146097)
    local doe = days - era * 146097
    local yoe = math.floor((doe - math.floor(doe / 1460)
        + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
    local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
    local mp = math.floor((5 * doy + 2) / 153)
    local day = doy - math.floor((153 * mp + 2) / 5) + 1
    local month = mp < 10 and mp + 3 or mp - 9
    local year = yoe + era * 400 + (month <= 2 and 1 or 0)
    return string.format('%04d-%02d-%02d', year, month, day)
end

-- A queryset may give a moment in any time zone, and with USE_TZ = False there
-- is no zone to be seen.
local function moment_texts(text)
    local list = {}
    local seconds, fraction = string.match(text, '^(-?%d+)(.*)$')
    for _, offset in ipairs(OFFSETS) do
        local at = tonumber(seconds) + offset * 60
        local days = math.floor(at / 86400)
        local rest = at - days * 86400
        local moment = string.format('%s %02d:%02d:%02d%s', date_text(days),
            math.floor(rest / 3600), math.floor(rest / 60) % 60, rest % 60,
            fraction)
        local size = math.abs(offset)
        list[#list + 1] = moment
        list[#list + 1] = string.format('%s%s%02d:%02d', moment,
            offset < 0 and '-' or '+', math.floor(size / 60), size % 60)
    end
    return list
end

local function words(text)
    local list = {}
    for word in string.gmatch(text, '%S+') do
        list[#list + 1] = word
    end
    return list
end

local function both(list)
    return {list, list}
end

local function float_texts(text)
    local list = words(text)
    local classic = {number_text(table.remove(list, 1))}
    if classic[1] == '0' or classic[1] == '-0' then
        classic = {'0', '-0'}
    end
    return {classic, list}
end

local spell = {
    ['?'] = function() return false end,
    ['0'] = function() return NULL end,
    ['='] = function(text) return both({text}) end,
    ['b'] = function(text)
        return text == 't' and {{'true'}, {'True'}} or {{'false'}, {'False'}}
    end,
    ['#'] = function(text)
        local classic = number_text(text)
        return classic == text and both({text}) or {{classic}, {text}}
    end,
    ['d'] = function(text) return both(words(text)) end,
    ['f'] = float_texts,
    ['c'] = function(text)
        local trimmed = string.gsub(text, ' +$', '')
        return both(trimmed == text and {text} or {text, trimmed})
    end,
    ['t'] = function(text) return both(moment_texts(text)) end,
}

local spelled, single = {}, {} -- by cell; of one spelling, that

local function spellings(cell)
    local lists = spelled[cell]
    if lists == nil then
        local how = spell[string.sub(cell, 1, 1)]
        lists = how and how(string.sub(cell, 2)) or false
        spelled[cell] = lists
        if lists and lists[1] == lists[2] and #lists[1] == 1 then
            single[cell] = lists[1][1]
        end
    end
    return lists
end

-- Names.

local seen, pending, n_probes = {}, {}, 0
local patterns, n_patterns = {}, 0

local function add_key(key)
    if not seen[key] then
        seen[key] = true
        pending[#pending + 1] = key
        n_probes = n_probes + 1
    end
end

local function escape(text)
    return (string.gsub(text, '[%*%?%[%]\\]', '\\%0'))
end

local function add_pattern(pattern)
    if seen[pattern] then
        return
    end
    seen[pattern] = true
    n_patterns = n_patterns + 1
    patterns[n_patterns] = pattern
    if n_patterns > PATTERNS then
        patterns = {escape(conj) .. '*'}
    end
end

-- The names with all combinations of the lists, of which one may be false.
local function build(scheme, lists, layout, is_pattern)
    local names = {#scheme == 0 and conj or ''}
    for i, before in ipairs(scheme.before) do
        local texts = lists[i] and lists[i][layout] or {'*'}
        local longer = {}
        for _, start in ipairs(names) do
            for _, value in ipairs(texts) do
                if is_pattern then
                    value = lists[i] and escape(value) or value
                    longer[#longer + 1] = start .. escape(before) .. value
                else
                    longer[#longer + 1] = start .. before .. value
                end
            end
        end
        names = longer
    end
    for _, text in ipairs(names) do
        if is_pattern then
            add_pattern(text)
        else
            add_key(text)
        end
    end
end

local function cell_of(column, first)
    if not first then
        return '0'
    end
    return column and args[first + column] or '?'
end

local function expand_all(scheme, first)
    local lists, n, is_pattern, differs = {}, 1, false, false
    for i, column in ipairs(scheme) do
        local list = spellings(cell_of(column, first))
        if list then
            local most = math.max(#list[1], #list[2])
            n = n * most
            if n > COMBINATIONS then
                n = n / most
                list = false
            else
                differs = differs or list[1] ~= list[2]
            end
        end
        is_pattern = is_pattern or not list
        lists[i] = list
    end
    for i, layout in ipairs(layouts) do
        if i == 1 or differs then
            build(scheme, lists, layout, is_pattern)
        end
    end
end

-- The names for the row whose cells come after the first; without it, for NULL
-- in all fields. Most values have one spelling.
local function expand(scheme, first)
    local before, key = scheme.before, ''
    for i = 1, #scheme do
        local text = single[cell_of(scheme[i], first)]
        if not text then
            return expand_all(scheme, first)
        end
        key = key .. before[i] .. text
    end
    add_key(#scheme > 0 and key or conj)
end

-- Removing.

local n_removed, n_members = 0, 0
local slots, free_slots, put_aside, refused = {}, {}, {}, nil

local function unlink(keys)
    local n = redis.pcall('UNLINK', unpack(keys))
    if type(n) == 'number' then
        n_removed = n_removed + n
        return
    end
    for _, key in ipairs(keys) do
        n = redis.pcall('UNLINK', key)
        if type(n) == 'number' then
            n_removed = n_removed + n
        else
            refused = n.err .. ' (key "' .. key .. '")'
        end
    end
end

local function find_slots()
    for i = 1, SLOTS do
        slots[i] = aside .. i
    end
    local are_free = redis.call('EXISTS', unpack(slots)) == 0
    for _, slot in ipairs(slots) do
        if are_free or redis.call('EXISTS', slot) == 0 then
            free_slots[#free_slots + 1] = slot
        else
            put_aside[#put_aside + 1] = slot
        end
    end
end

-- Gone for readers in an instant; without a slot it is drained where it is.
local function set_aside(key)
    local slot = table.remove(free_slots)
    if slot then
        redis.call('RENAME', key, slot)
    end
    put_aside[#put_aside + 1] = slot or key
end

local function drop(key)
    local size = redis.pcall('SCARD', key)
    if type(size) ~= 'number' then
        unlink({key}) -- a string, or what nobody knows
    elseif size > limit then
        set_aside(key)
    elseif size > 0 then
        local members = redis.call('SMEMBERS', key)
        members[#members + 1] = key
        unlink(members)
        n_members = n_members + size
    end
end

-- True: all that was pending is gone; else it is too much for one call.
local function flush()
    for from = 1, #pending, CHUNK do
        local to = math.min(from + CHUNK - 1, #pending)
        if redis.call('EXISTS', unpack(pending, from, to)) > 0 then
            for i = from, to do
                drop(pending[i])
                if n_members >= MEMBERS then
                    return false
                end
            end
        end
    end
    pending = {}
    return true
end

-- Dependencies of rows that an outer join did not find: all fields are NULL. No
-- row has these values, but any new one can be what was missing.
local function expand_outer()
    for _, scheme in ipairs(schemes) do
        if scheme.has_not_null then
            expand(scheme)
        end
    end
end

-- The images of a row that was updated follow each other, and differ in few
-- columns: where they do not, they have the same names.
local function differs(scheme, row)
    local first = FIRST_CELL - 1 + (row - 1) * n_columns
    for i = 1, #scheme do
        local at = first + (scheme[i] or 0)
        if scheme[i] and args[at] ~= args[at - n_columns] then
            return true
        end
    end
    return false
end

local function expand_row(row)
    for _, scheme in ipairs(schemes) do
        if row == 1 or differs(scheme, row) then
            expand(scheme, FIRST_CELL - 1 + (row - 1) * n_columns)
        end
    end
end

find_slots()
local n_done = 0
if #schemes == 0 then
    n_done = n_rows
elseif mode == 'row' then
    expand_outer()
end
local is_done = true
local row = 0
while is_done and row < n_rows and n_done < n_rows and n_probes < PROBES do
    row = row + 1
    expand_row(row)
    if #pending >= CHUNK or row == n_rows then
        is_done = flush()
        n_done = is_done and row or n_done
    end
end
if is_done and n_done < row then
    is_done = flush()
    n_done = is_done and row or n_done
end

return {n_removed, n_done, put_aside, patterns, refused}
