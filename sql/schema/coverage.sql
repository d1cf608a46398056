-- Coverage.
--
-- A gap is anything through which a change of a watched table could go unseen,
-- or one of another table be taken for its. What differs without that, such as
-- columns after a migration, is drift: see problem_of().

-- The capture function of a watched table, NULL if it is missing.
CREATE OR REPLACE FUNCTION pgripple.capture_of(table_name text) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.oid FROM pg_proc AS p
    WHERE p.proname = pgripple.capture_name($1) AND p.pronargs = 0
        AND p.pronamespace = (SELECT c.relnamespace FROM pg_class AS c
                              WHERE c.oid = 'pgripple.outbox'::regclass)
$$;
COMMENT ON FUNCTION pgripple.capture_of(text) IS
    'the capture function of a watched table, NULL if it is missing';

-- What in a capture function decides which changes are written, and how.
CREATE OR REPLACE FUNCTION pgripple.body_hash(capture oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT md5(concat(p.prosrc, p.proconfig)) FROM pg_proc AS p
    WHERE p.oid = $1
$$;
COMMENT ON FUNCTION pgripple.body_hash(oid) IS
    'a hash of what a capture function does';

-- A trigger of a capture function on a table that is no member of the watched
-- one. Only who may EXECUTE the function can make one, or who restores a table
-- under another name. What it captures invalidates too much and never too
-- little, so no writer pays for looking at that, 2 to 7 us a statement. A
-- partition that was detached keeps the trigger for TRUNCATE, which watch()
-- made; that is none.
CREATE OR REPLACE FUNCTION pgripple.stray_trigger(
    members oid[], capture oid, table_name text)
RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT format('capture function is called by trigger "%s" on "%s", too',
                  t.tgname, t.tgrelid::regclass)
    FROM pg_trigger AS t
    WHERE t.tgfoid = $2 AND t.tgrelid <> ALL ($1)
        AND (t.tgname, t.tgtype) NOT IN (
            SELECT w.name, w.type FROM pgripple.wanted_triggers($3, true) AS w
            WHERE w.event = 'TRUNCATE')
    ORDER BY t.tgname LIMIT 1
$$;
COMMENT ON FUNCTION pgripple.stray_trigger(oid[], oid, text) IS
    'a capture function''s trigger on another table, NULL if there is none';

-- Whether there is a table of this name, which is quoted as watch() writes it.
-- It does not ask as regclass does: the owner of this schema may not look into
-- that of the table.
CREATE OR REPLACE FUNCTION pgripple.is_table(table_name text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT EXISTS (
        SELECT FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p')
            AND format('%I.%I', n.nspname, c.relname) = $1)
$$;
COMMENT ON FUNCTION pgripple.is_table(text) IS
    'whether there is a table of this name';

-- The gap of a watched table, in words; NULL if there is none. A table that no
-- longer needs row-level triggers, but has them, is covered.
CREATE OR REPLACE FUNCTION pgripple.gap_of(w pgripple.watch_list)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    capture oid;
    members oid[] := pgripple.members_of(w.relid);
    present_name text;
    is_rows boolean;
    gap text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = w.relid) THEN
        RETURN 'table is gone';
    END IF;
    gap := pgripple.unsuitable(w.relid);
    IF gap IS NOT NULL THEN
        RETURN format('table cannot be watched any more: %s', gap);
    END IF;
    present_name := (
        SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = w.relid);
    IF present_name <> w.table_name AND pgripple.is_table(w.table_name) THEN
        RETURN format('another table has its name, it is now named "%s"',
                      present_name);
    END IF;
    capture := pgripple.capture_of(w.table_name);
    IF capture IS NULL THEN
        RETURN 'capture function is missing';
    ELSIF pgripple.body_hash(capture) <> w.body THEN
        RETURN 'capture function is not what watch() made';
    END IF;
    is_rows := pgripple.needs_rows(w.relid) OR EXISTS (
        SELECT FROM pg_trigger AS t
        WHERE t.tgrelid = w.relid AND t.tgfoid = capture AND t.tgtype & 1 = 1);
    SELECT CASE WHEN c.relkind = 'f'
                THEN format('"%s" is a foreign table', c.oid::regclass)
                ELSE format('trigger "%s"%s is %s', s.name,
                            CASE WHEN s.member <> w.relid
                                 THEN format(' on "%s"', c.oid::regclass) END,
                            s.wrong) END
        INTO gap
        FROM pgripple.trigger_states(
            members, capture, w.table_name, is_rows) AS s
        JOIN pg_class AS c ON c.oid = s.member
        WHERE s.wrong IS NOT NULL OR c.relkind = 'f' LIMIT 1;
    RETURN coalesce(gap, pgripple.stray_trigger(members, capture,
                                                w.table_name));
END
$$;
COMMENT ON FUNCTION pgripple.gap_of(pgripple.watch_list) IS
    'why changes of a watched table are not seen, NULL if they are';

-- What a look compares, for one watched table or all: while it stays as it is,
-- so does the gap. It takes 0.1 ms for each table; gap_of() takes 2.
--
-- The versions of triggers and of memberships (xmin) show what came and went
-- again between two looks: a trigger that was disabled for a second. Columns
-- and files show what a migration did to the values, which fires no trigger.
CREATE OR REPLACE FUNCTION pgripple.traces(only_relid oid DEFAULT NULL)
RETURNS TABLE (relid oid, members oid[], triggers text, shape text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE member AS MATERIALIZED (
        SELECT w.relid::oid AS root, w.relid::oid AS oid
        FROM pgripple.watch_list AS w
        WHERE w.relid = coalesce($1, w.relid::oid)
        UNION
        SELECT m.root, i.inhrelid
        FROM member AS m JOIN pg_inherits AS i ON i.inhparent = m.oid),
    capture AS MATERIALIZED (
        SELECT w.relid::oid AS root, f.oid, t.name AS truncate_name,
               pgripple.body_hash(f.oid) <> w.body AS is_edited,
               format('%I.%I', n.nspname, c.relname) <> w.table_name
                   AND pgripple.is_table(w.table_name) AS is_replaced
        FROM pgripple.watch_list AS w
        JOIN pg_class AS c ON c.oid = w.relid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL pgripple.capture_of(w.table_name) AS f (oid)
        JOIN LATERAL pgripple.wanted_triggers(w.table_name, true) AS t
            ON t.event = 'TRUNCATE'
        WHERE w.relid = coalesce($1, w.relid::oid)),
    trigger_trace AS (
        SELECT v.root, md5(string_agg(v.trace, ',' ORDER BY v.trace)
                           || pgripple.is_enabled()) AS hash
        FROM (
            SELECT c.root, concat_ws(' ', t.oid, t.xmin) AS trace
            FROM capture AS c JOIN pg_trigger AS t ON t.tgfoid = c.oid
            LEFT JOIN member AS m ON (m.root, m.oid) = (c.root, t.tgrelid)
            -- What a partition that was detached keeps does not count.
            WHERE m.oid IS NOT NULL OR t.tgname <> c.truncate_name
            UNION ALL
            SELECT c.root, concat(c.is_edited, c.is_replaced)
            FROM capture AS c WHERE c.is_edited OR c.is_replaced
            UNION ALL
            SELECT m.root, concat_ws(' ', i.inhrelid, i.inhparent, i.xmin)
            FROM member AS m JOIN pg_inherits AS i ON i.inhrelid = m.oid
            UNION ALL
            SELECT m.root, 'subscribed' FROM member AS m
            JOIN pg_subscription_rel AS r ON r.srrelid = m.oid) AS v
        GROUP BY v.root),
    shape_trace AS (
        SELECT v.root,
               md5(string_agg(v.trace, ',' ORDER BY v.trace)) AS hash
        FROM (
            SELECT m.root, concat_ws(' ', c.oid, c.relfilenode) AS trace
            FROM member AS m JOIN pg_class AS c ON c.oid = m.oid
            UNION ALL
            SELECT m.root, concat_ws(' ', a.attnum, a.attname, a.atttypid,
                                     a.atttypmod)
            FROM member AS m
            JOIN pg_attribute AS a ON a.attrelid = m.oid AND a.attnum > 0
                AND NOT a.attisdropped
            WHERE m.oid = m.root) AS v
        GROUP BY v.root)
    SELECT m.root, array_agg(m.oid ORDER BY m.oid), min(t.hash), min(s.hash)
    FROM member AS m
    LEFT JOIN trigger_trace AS t ON t.root = m.root
    LEFT JOIN shape_trace AS s ON s.root = m.root
    GROUP BY m.root
$$;
COMMENT ON FUNCTION pgripple.traces(oid) IS
    'what a look at the watched tables compares';

-- What a look found that makes it necessary to touch the whole table; NULL if
-- nothing.
CREATE OR REPLACE FUNCTION pgripple.news(
    former pgripple.watch_list, present pgripple.watch_list)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN present.gap IS NOT NULL AND former.gap IS NULL THEN 'gap opened'
        WHEN present.gap IS NULL AND former.gap IS NOT NULL THEN 'gap closed'
        -- Nobody has looked before.
        WHEN former.members IS NULL THEN NULL
        WHEN former.members <> present.members THEN 'partitions changed'
        WHEN former.triggers IS DISTINCT FROM present.triggers
            THEN CASE WHEN present.gap IS NULL THEN 'gap closed' END
        WHEN former.shape IS DISTINCT FROM present.shape
            THEN 'definition changed'
    END
$$;
COMMENT ON FUNCTION pgripple.news(pgripple.watch_list, pgripple.watch_list) IS
    'what two looks at a watched table differ in';

-- Looks at every watched table. One that had a gap until now, or has one from
-- now on, is touched as a whole, and so is one whose partitions, columns or
-- files are others. Returns gaps that opened (with the problem) and that closed
-- (NULL).
--
-- The daemon calls this again and again: while nothing happens it writes
-- nothing. It never waits for watch(), which may wait for writers.
CREATE OR REPLACE FUNCTION pgripple.check_coverage()
RETURNS TABLE (table_name text, problem text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    trace record;
    former pgripple.watch_list;
    present pgripple.watch_list;
    news text;
    is_locked boolean := false;
BEGIN
    FOR trace IN SELECT t.*, w AS former
            FROM pgripple.watch_list AS w
            JOIN pgripple.traces() AS t ON t.relid = w.relid
            WHERE (w.members, w.triggers, w.shape)
                IS DISTINCT FROM (t.members, t.triggers, t.shape)
            ORDER BY w.table_name LOOP
        former := trace.former;
        present := former;
        present.members := trace.members;
        present.triggers := trace.triggers;
        present.shape := trace.shape;
        present.gap := CASE WHEN pgripple.is_enabled()
                            THEN pgripple.gap_of(former)
                            ELSE 'capture is disabled' END;
        IF NOT is_locked THEN
            BEGIN
                LOCK TABLE pgripple.watch_list IN ROW EXCLUSIVE MODE NOWAIT;
            EXCEPTION WHEN lock_not_available THEN
                RETURN;     -- the next call finds the same
            END;
            is_locked := true;
        END IF;
        UPDATE pgripple.watch_list AS w
            SET gap = present.gap, members = present.members,
                triggers = present.triggers, shape = present.shape
            WHERE w.relid = former.relid AND w.watched_at = former.watched_at;
        CONTINUE WHEN NOT FOUND;    -- watch() has just been there
        news := pgripple.news(former, present);
        IF news IS NOT NULL THEN
            PERFORM pgripple.write_whole(present.table_name, 'update', news,
                                         NULL);
        END IF;
        IF news <> 'definition changed'
                OR present.gap IS DISTINCT FROM former.gap THEN
            table_name := present.table_name;
            problem := present.gap;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION pgripple.check_coverage() IS
    'looks for gaps in the capture; touches tables where one opens or closes';

-- The generator, as a hash: all functions of this schema but the capture
-- functions and those whose text is a setting. Nobody has to raise a number
-- when they change one.
CREATE OR REPLACE FUNCTION pgripple.generator() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT md5(string_agg(p.prosrc, ',' ORDER BY p.prosrc))
    FROM pg_proc AS p
    WHERE p.pronamespace = (SELECT c.relnamespace FROM pg_class AS c
                            WHERE c.oid = 'pgripple.outbox'::regclass)
        AND p.prorettype <> 'trigger'::regtype
        AND p.proname <> ALL ('{capturing,is_outbox_full,ring}')
$$;
COMMENT ON FUNCTION pgripple.generator() IS
    'a hash of the functions that make capture functions';

-- All that capture functions are made from, for one table or those that are
-- watched, as a hash: the generator, and what it reads of the catalog. While it
-- is what it was for watch(), the generator would make the same again. It takes
-- 0.1 ms for each table; the generator takes 20.
CREATE OR REPLACE FUNCTION pgripple.sources(only_relid oid DEFAULT NULL)
RETURNS TABLE (relid oid, hash text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE member AS MATERIALIZED (
        SELECT w.relid::oid AS root, w.relid::oid AS oid
        FROM pgripple.watch_list AS w WHERE $1 IS NULL
        UNION
        SELECT $1, $1 WHERE $1 IS NOT NULL
        UNION
        SELECT m.root, i.inhrelid
        FROM member AS m JOIN pg_inherits AS i ON i.inhparent = m.oid),
    trace AS (
        SELECT m.root, concat_ws(' ', a.attrelid, a.attnum,
                   quote_ident(a.attname), a.atttypid, a.atttypmod,
                   nullif(a.attgenerated, ''),
                   -- Types that are not the server's own count by name.
                   quote_ident(n.nspname), quote_ident(t.typname)) AS part
        FROM member AS m
        JOIN pg_attribute AS a ON a.attrelid = m.oid AND a.attnum > 0
            AND NOT a.attisdropped
        LEFT JOIN pg_type AS t ON t.oid = a.atttypid AND t.oid >= 16384
        LEFT JOIN pg_namespace AS n ON n.oid = t.typnamespace
        UNION ALL
        SELECT m.root, concat_ws(' ', 'key', i.indkey, i.indclass)
        FROM member AS m JOIN pg_index AS i ON i.indrelid = m.root
        WHERE m.oid = m.root AND i.indisprimary
        UNION ALL
        SELECT m.root, concat_ws(' ', 'kind', c.relkind, pgripple.needs_rows(
                                 c.oid))
        FROM member AS m JOIN pg_class AS c ON c.oid = m.root
        WHERE m.oid = m.root),
    -- A newer server may have types of its own.
    maker AS MATERIALIZED (
        SELECT concat_ws(' ', pgripple.generator(), current_setting(
                   'server_version_num')::integer / 10000) AS hash)
    SELECT t.root, md5(concat_ws(',', min(m.hash),
                                 string_agg(t.part, ',' ORDER BY t.part)))
    FROM trace AS t CROSS JOIN maker AS m
    GROUP BY t.root
$$;
COMMENT ON FUNCTION pgripple.sources(oid) IS
    'a hash of what capture functions are made from';

-- The same with what watch() was told, as the list keeps it.
CREATE OR REPLACE FUNCTION pgripple.source_of(
    w pgripple.watch_list, hash text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_catalog.md5(pg_catalog.concat_ws(' ', $2, $1.table_name,
        $1.columns, $1.ignore, $1.bulk_rows))
$$;
COMMENT ON FUNCTION pgripple.source_of(pgripple.watch_list, text) IS
    'a hash of what a capture function is made from';

-- Whether a capture function runs with the rights of the schema's owner.
CREATE OR REPLACE FUNCTION pgripple.has_owner(capture pg_proc)
RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT $1.prosecdef AND $1.proowner = n.nspowner
    FROM pg_namespace AS n WHERE n.oid = $1.pronamespace
$$;
COMMENT ON FUNCTION pgripple.has_owner(pg_proc) IS
    'whether a capture function runs with the rights of the schema''s owner';

-- The watched tables with which nothing can be wrong: the last look found no
-- gap, everything is as it was then, and the capture function was made from
-- what is there now. Of all others problem_of() must find out.
CREATE OR REPLACE FUNCTION pgripple.unchanged()
RETURNS TABLE (relid oid) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT w.relid FROM pgripple.watch_list AS w
    JOIN pgripple.traces() AS t ON t.relid = w.relid
    JOIN pgripple.sources() AS s ON s.relid = w.relid
    JOIN pg_class AS c ON c.oid = w.relid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_proc AS p ON p.oid = pgripple.capture_of(w.table_name)
    WHERE w.gap IS NULL
        AND (w.members, w.triggers, w.shape) = (t.members, t.triggers, t.shape)
        AND w.table_name = format('%I.%I', n.nspname, c.relname)
        AND w.source = pgripple.source_of(w, s.hash)
        AND pgripple.has_owner(p)
$$;
COMMENT ON FUNCTION pgripple.unchanged() IS
    'the watched tables that are as watch() left them';

-- What is wrong with a watched table, in words; NULL if nothing is.
CREATE OR REPLACE FUNCTION pgripple.problem_of(w pgripple.watch_list)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    present_name text := (
        SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = w.relid);
    capture pg_proc;
    settings text[];
    gap text := pgripple.gap_of(w);
BEGIN
    IF gap IS NOT NULL AND (present_name IS NULL
                            OR present_name = w.table_name) THEN
        RETURN gap;
    ELSIF present_name <> w.table_name THEN
        RETURN format('table is now named "%s"', present_name);
    END IF;

    SELECT * INTO capture FROM pg_proc
        WHERE oid = pgripple.capture_of(w.table_name);
    IF NOT pgripple.has_owner(capture) THEN
        RETURN 'capture function is outdated';
    ELSIF w.source = (SELECT pgripple.source_of(w, s.hash)
                      FROM pgripple.sources(w.relid) AS s) THEN
        RETURN NULL;    -- and it is what watch() made, or there were a gap
    END IF;
    -- The body holds the columns of its time as a literal. The key is only in
    -- one for statements.
    IF position(quote_literal(pgripple.fingerprint(w.relid))
                IN capture.prosrc) = 0
        OR NOT pgripple.needs_rows(w.relid)
            AND position('-- Row by row.' IN capture.prosrc) = 0
            AND position(format('IS DISTINCT FROM %L;',
                                pgripple.primary_key(w.relid))
                         IN capture.prosrc) = 0 THEN
        RETURN 'columns changed since install';
    END IF;
    settings := pgripple.capture_settings(w.relid, w.columns);
    IF pgripple.without_oid(capture.prosrc)
            <> pgripple.without_oid(pgripple.wanted_body(w))
        OR NOT coalesce(capture.proconfig @> settings
                        AND capture.proconfig <@ settings, false) THEN
        RETURN 'capture function is outdated';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION pgripple.problem_of(pgripple.watch_list) IS
    'what is wrong with a watched table, NULL if nothing is';
