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

-- What is wrong with a watched table, in words; NULL if nothing is.
CREATE OR REPLACE FUNCTION pgripple.problem_of(w pgripple.watch_list)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    present_name text := (
        SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = w.relid);
    outbox pg_class;
    capture pg_proc;
    settings text[] := pgripple.capture_settings(w.relid, w.columns);
    gap text := pgripple.gap_of(w);
BEGIN
    IF gap IS NOT NULL AND (present_name IS NULL
                            OR present_name = w.table_name) THEN
        RETURN gap;
    ELSIF present_name <> w.table_name THEN
        RETURN format('table is now named "%s"', present_name);
    END IF;

    SELECT * INTO outbox FROM pg_class
        WHERE oid = 'pgripple.outbox'::regclass;
    SELECT * INTO capture FROM pg_proc
        WHERE oid = pgripple.capture_of(w.table_name);
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
    ELSIF pgripple.without_oid(capture.prosrc)
            <> pgripple.without_oid(pgripple.wanted_body(w))
        OR NOT coalesce(capture.proconfig @> settings
                        AND capture.proconfig <@ settings, false)
        OR NOT capture.prosecdef
        OR capture.proowner <> (SELECT nspowner FROM pg_namespace
                                WHERE oid = outbox.relnamespace) THEN
        RETURN 'capture function is outdated';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION pgripple.problem_of(pgripple.watch_list) IS
    'what is wrong with a watched table, NULL if nothing is';
