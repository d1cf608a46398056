-- Capture functions.
--
-- Capture functions of an older version stay as they are until watch() is
-- called again. So what they call (write_whole, snapshot_is_current,
-- primary_key, capture_sql, ring) keeps its name, arguments and meaning.

-- One change that stands for the whole table.
CREATE OR REPLACE FUNCTION pgripple.write_whole(
    table_name text, operation text, reason text, n_rows bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pgripple.write_change(json_strip_nulls(json_build_object(
        'table', table_name, 'op', operation, 'whole', reason,
        'rows', n_rows)));
END
$$;
COMMENT ON FUNCTION pgripple.write_whole(text, text, text, bigint) IS
    'writes one change that stands for a whole table';

-- The name of a table's capture function: the table's own, as far as a name's
-- 63 bytes allow.
CREATE OR REPLACE FUNCTION pgripple.capture_name(table_name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    start text := table_name;
BEGIN
    IF octet_length(table_name) <= 63 THEN
        RETURN table_name;
    END IF;
    WHILE octet_length(start) > 50 LOOP
        start := left(start, -1);
    END LOOP;
    RETURN start || '#' || left(md5(table_name), 12);
END
$$;
COMMENT ON FUNCTION pgripple.capture_name(text) IS
    'the name of a table''s capture function';

-- What a capture function has SET, as pg_proc.proconfig shows it, in no order.
--
-- Row by row the plans have parameters, OLD and NEW: a generic one is kept, for
-- planning takes longer than running it. Then what the values of these columns
-- depend on, and the names of types in the fingerprint: a session's own settings
-- must not get into the keys. No more than that: each costs 0.5 us in a loop and
-- 1 to 2 us in a transaction of its own.
CREATE OR REPLACE FUNCTION pgripple.capture_settings(relid oid, columns text[])
RETURNS text[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN ARRAY(
        SELECT 'search_path=pg_catalog, pg_temp'
        UNION
        SELECT unnest(ARRAY['plan_cache_mode=force_generic_plan', 'jit=off'])
        WHERE pgripple.needs_rows($1)
        UNION
        SELECT unnest(pgripple.value_settings(f.type))
        FROM pgripple.column_facts($1) AS f WHERE f.name = ANY ($2)
        UNION
        SELECT 'quote_all_identifiers=off' FROM pg_attribute AS a
        WHERE a.attrelid = $1 AND a.attnum > 0 AND a.atttypid >= 16384);
END
$$;
COMMENT ON FUNCTION pgripple.capture_settings(oid, text[]) IS
    'the settings that a table''s capture function runs under';

-- The body of a table's capture function.
--
-- Its static statements fit the columns that the table had when it was made. It
-- must never fail because of a migration, so it looks at the columns first, every
-- time (has_columns()), and static statements whose columns are gone are never
-- reached: Postgres does not even parse them before.
--
-- The common case is one row, in READ COMMITTED: a single statement, which finds
-- out by itself that it was one. All else is careful: a table with another oid
-- than at install (a dump was restored), a full outbox, and a transaction whose
-- snapshot may be older than a migration: it cannot know the columns, so its
-- change stands for the whole table.
--
-- For many rows there is another statement, whose plan is made when there are
-- many. That plan must never be a nested loop: it would pair 30,000 old and new
-- rows by 900,000,000 comparisons. A FULL JOIN cannot be one. Nor may it be
-- compiled, for it is kept: the next statement has two rows.
--
-- One row costs the writer about 19 us in a loop, where its own UPDATE takes 6:
-- the trigger and search_path 3, the conditions and an INSERT of constants 7, the
-- comparison of the columns and the text 9.
CREATE OR REPLACE FUNCTION pgripple.capture_body(
    relid oid, table_name text, columns text[], ignore text[],
    bulk_rows integer)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    count_rows text := $count$
        IF TG_OP = 'INSERT' THEN
            SELECT count(*) INTO n_rows FROM pgripple_new;
        ELSE
            SELECT count(*) INTO n_rows FROM pgripple_old;
        END IF;$count$;
    one text := (SELECT string_agg(format(E'%s TG_OP = %L THEN\n%s;\n',
            CASE place WHEN 1 THEN '        IF' ELSE '        ELSIF' END,
            upper(operation), pgripple.capture_sql(relid, table_name,
                operation, columns, ignore, NULL, false)), '' ORDER BY place)
        FROM unnest(ARRAY['update', 'insert', 'delete'])
            WITH ORDINALITY AS o (operation, place));
    many text := (SELECT string_agg(format(E'    ELSIF TG_OP = %L THEN\n%s;\n',
            upper(operation), pgripple.capture_sql(relid, table_name,
                operation, columns, ignore, true, false)), '' ORDER BY place)
        FROM unnest(ARRAY['update', 'insert', 'delete'])
            WITH ORDINALITY AS o (operation, place));
BEGIN
    RETURN format($body$
-- Made by pgripple.watch(), which replaces it: do not edit.
#variable_conflict use_column
DECLARE
    n_rows bigint;              -- NULL: not counted yet
    n_written bigint;
    is_careful boolean := false;
    is_drift boolean := false;
    jit text;
BEGIN
    IF NOT pgripple.capturing() THEN
        RETURN NULL;
    ELSIF TG_OP = 'TRUNCATE' THEN
        IF NOT pgripple.mark_instead(%1$L) THEN
            PERFORM pgripple.write_whole(%1$L, 'truncate', 'truncate', NULL);
        END IF;
        RETURN NULL;
    ELSIF TG_RELID <> %9$L::oid OR pgripple.is_outbox_full()
            OR current_setting('transaction_isolation') <> 'read committed' THEN
        is_careful := true;
    ELSIF NOT pgripple.has_columns(%9$L::oid, %6$L) THEN
        is_careful := true;
    END IF;

    IF is_careful THEN%10$s
        IF n_rows = 0 OR pgripple.mark_instead(%1$L) THEN
            RETURN NULL;
        ELSIF current_setting('transaction_isolation') <> 'read committed'
                AND NOT pgripple.snapshot_is_current(TG_RELID) THEN
            PERFORM pgripple.write_whole(%1$L, lower(TG_OP), 'old snapshot',
                                         n_rows);
            RETURN NULL;
        END IF;
        is_drift := pgripple.fingerprint(TG_RELID) <> %6$L;
    END IF;

    IF NOT is_drift AND (n_rows IS NULL OR n_rows = 1) THEN
%5$s        END IF;
        -- In a condition, for PERFORM would start an executor: 1.2 us.
        IF FOUND THEN
            IF pgripple.ring() IS NULL THEN END IF;
            RETURN NULL;
        END IF;
    END IF;

    IF n_rows IS NULL THEN%10$s
    END IF;
    IF n_rows <= 1 AND NOT is_drift THEN
        RETURN NULL;
    ELSIF n_rows > %4$s THEN
        PERFORM pgripple.write_whole(%1$L, lower(TG_OP), 'bulk', n_rows);
        RETURN NULL;
    END IF;
    -- Only for pairing many rows the key matters.
    is_drift := is_drift OR TG_OP = 'UPDATE' AND n_rows > 1
        AND pgripple.primary_key(TG_RELID) IS DISTINCT FROM %7$L;

    jit := current_setting('jit');
    PERFORM set_config('jit', 'off', true);
    IF is_drift THEN
        EXECUTE pgripple.capture_sql(TG_RELID, %1$L, lower(TG_OP), %2$L, %3$L,
                                     n_rows > 1, true);
%8$s    END IF;
    GET DIAGNOSTICS n_written = ROW_COUNT;
    PERFORM set_config('jit', jit, true);
    IF n_written > 0 AND pgripple.ring() IS NULL THEN END IF;
    RETURN NULL;
END
$body$, table_name, columns, ignore, bulk_rows, one,
        pgripple.fingerprint(relid), pgripple.primary_key(relid), many,
        relid, count_rows);
END
$$;
COMMENT ON FUNCTION pgripple.capture_body(
    oid, text, text[], text[], integer) IS
    'the body of a table''s capture function';

-- Row-level capture, for tables of which statement-level triggers do not see
-- all: one change for each row, with the statement made for one row, whose
-- transition tables are the row itself.
--
-- OLD and NEW are picked apart by name, for the same name is another place in
-- another partition. To EXECUTE they are $1 and $2.
CREATE OR REPLACE FUNCTION pgripple.capture_row_sql(
    relid oid, table_name text, operation text, columns text[], ignore text[],
    is_static boolean, is_drift boolean)
RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT 'WITH pgripple_old AS (SELECT '
        || CASE WHEN NOT $6 THEN '($1).*'
                WHEN $3 = 'insert' THEN '1'
                ELSE string_agg(format('OLD.%1$I AS %1$I', f.name), ', ')
           END || E'),\npgripple_new AS (SELECT '
        || CASE WHEN NOT $6 THEN '($2).*'
                WHEN $3 = 'delete' THEN '1'
                ELSE string_agg(format('NEW.%1$I AS %1$I', f.name), ', ')
           END || E')\n'
        || pgripple.capture_sql($1, $2, $3, $4, $5, false, $7)
    FROM pgripple.column_facts($1) AS f
$$;
COMMENT ON FUNCTION pgripple.capture_row_sql(
    oid, text, text, text[], text[], boolean, boolean) IS
    'the INSERT that turns OLD and NEW of a row-level trigger into a change';

-- SQL like fingerprint_sql(), for the columns as one number, in no order.
CREATE OR REPLACE FUNCTION pgripple.row_fingerprint_sql(table_sql text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('(SELECT hash_array_extended(array_agg(h ORDER BY h), 0) '
                  'FROM unnest(%s) AS h)', pgripple.fingerprint_sql(table_sql))
$$;
COMMENT ON FUNCTION pgripple.row_fingerprint_sql(text) IS
    'SQL for a hash of the columns that a table has now, in no order';

-- Those of a table and its members that have all of its columns: the static
-- statements fit them. A child may have more columns; they do not count.
CREATE OR REPLACE FUNCTION pgripple.row_fingerprints(relid oid)
RETURNS bigint[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    found bigint[];
BEGIN
    EXECUTE format('SELECT array_agg(DISTINCT %s) FROM unnest($2) AS m (oid) '
                   'WHERE %s @> $1', pgripple.row_fingerprint_sql('m.oid'),
                   pgripple.fingerprint_sql('m.oid'))
        INTO found
        USING pgripple.fingerprint(relid), pgripple.members_of(relid);
    RETURN found;
END
$$;
COMMENT ON FUNCTION pgripple.row_fingerprints(oid) IS
    'hashes of the columns of a table and of its members';

-- Whether the columns of a watched table are others than at install; only a
-- partition or child whose own columns do not fit asks this.
CREATE OR REPLACE FUNCTION pgripple.is_drifted(
    table_name text, fingerprint bigint[])
RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT coalesce((SELECT pgripple.fingerprint(w.relid) <> $2
                     FROM pgripple.watch_list AS w
                     WHERE w.table_name = $1), true)
$$;
COMMENT ON FUNCTION pgripple.is_drifted(text, bigint[]) IS
    'whether the columns of a watched table are others than at install';

-- The body of a capture function for row-level triggers; see capture_body().
CREATE OR REPLACE FUNCTION pgripple.capture_row_body(
    relid oid, table_name text, columns text[], ignore text[])
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    statements text := (
        SELECT string_agg(format($statement$
    ELSIF TG_OP = %L THEN
%s;
$statement$, upper(operation), pgripple.capture_row_sql(
                relid, table_name, operation, columns, ignore, true, false)),
            '' ORDER BY place)
        FROM unnest(ARRAY['update', 'insert', 'delete'])
            WITH ORDINALITY AS o (operation, place));
BEGIN
    RETURN format($body$
-- Made by pgripple.watch(), which replaces it: do not edit.
-- Row by row.
#variable_conflict use_column
DECLARE
    n_written bigint;
    statement text;
BEGIN
    IF NOT pgripple.capturing() OR pgripple.mark_instead(%1$L) THEN
        RETURN NULL;
    ELSIF TG_OP = 'TRUNCATE' THEN
        PERFORM pgripple.write_whole(%1$L, 'truncate', 'truncate', NULL);
        RETURN NULL;
    ELSIF current_setting('transaction_isolation') <> 'read committed'
            AND NOT pgripple.snapshot_is_current(TG_RELID) THEN
        PERFORM pgripple.write_whole(%1$L, lower(TG_OP), 'old snapshot', 1);
        RETURN NULL;
    END IF;

    IF %4$s <> ALL (%5$L::bigint[]) THEN
        statement := pgripple.capture_row_sql(
            TG_RELID, %1$L, lower(TG_OP), %2$L, %3$L, false,
            pgripple.is_drifted(%1$L, %6$L));
        IF TG_OP = 'INSERT' THEN
            EXECUTE statement USING NEW, NEW;
        ELSIF TG_OP = 'DELETE' THEN
            EXECUTE statement USING OLD, OLD;
        ELSE
            EXECUTE statement USING OLD, NEW;
        END IF;
%7$s
    END IF;

    GET DIAGNOSTICS n_written = ROW_COUNT;
    IF n_written > 0 AND pgripple.ring() IS NULL THEN
    END IF;
    RETURN NULL;
END
$body$, table_name, columns, ignore,
        pgripple.row_fingerprint_sql('TG_RELID'),
        pgripple.row_fingerprints(relid), pgripple.fingerprint(relid),
        statements);
END
$$;
COMMENT ON FUNCTION pgripple.capture_row_body(oid, text, text[], text[]) IS
    'the body of a capture function for row-level triggers';

-- The body that a table's capture function should have.
CREATE OR REPLACE FUNCTION pgripple.wanted_body(w pgripple.watch_list)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pgripple.needs_rows(w.relid) THEN
        RETURN pgripple.capture_row_body(w.relid, w.table_name, w.columns,
                                         w.ignore);
    END IF;
    RETURN pgripple.capture_body(w.relid, w.table_name, w.columns, w.ignore,
                                 w.bulk_rows);
END
$$;
COMMENT ON FUNCTION pgripple.wanted_body(pgripple.watch_list) IS
    'the body that a table''s capture function should have';

-- A capture function without the table's oid in it: after a dump and restore the
-- table has another one. That is no fault, but slower, and watch() mends it.
CREATE OR REPLACE FUNCTION pgripple.without_oid(body text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT regexp_replace($1, $re$'\d+'::oid$re$, $re$''::oid$re$, 'g')
$$;
COMMENT ON FUNCTION pgripple.without_oid(text) IS
    'the body of a capture function without the table''s oid';

-- Whether only row-level triggers see all changes of a table. Statement-level
-- ones do not fire for a statement that names a partition or a child, nor for
-- rows that a subscription applies.
CREATE OR REPLACE FUNCTION pgripple.needs_rows(relid oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.relkind = 'p' OR c.relispartition
        OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid)
        OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
        OR EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = c.oid)
    FROM pg_class AS c WHERE c.oid = $1
$$;
COMMENT ON FUNCTION pgripple.needs_rows(oid) IS
    'whether only row-level triggers see all changes of a table';

-- A table and all its partitions or children, with theirs.
CREATE OR REPLACE FUNCTION pgripple.members_of(relid oid) RETURNS oid[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE member AS (
        SELECT $1 AS oid
        UNION
        SELECT i.inhrelid FROM member AS m
        JOIN pg_inherits AS i ON i.inhparent = m.oid)
    SELECT array_agg(m.oid ORDER BY m.oid <> $1, m.oid) FROM member AS m
$$;
COMMENT ON FUNCTION pgripple.members_of(oid) IS
    'a table and all its partitions or children';

-- The triggers of a watched table. type is what pg_trigger.tgtype says of an
-- AFTER trigger: 1 for each row, 4 insert, 8 delete, 16 update, 32 truncate.
-- The names of the transition tables are such that no other table has them.
--
-- A name that members have too ends in a hash of the watched table's. For the
-- server clones the row-level trigger to a partition that is attached, and
-- ATTACH PARTITION would fail if one of that name were there: of a table that
-- was watched by itself.
CREATE OR REPLACE FUNCTION pgripple.wanted_triggers(
    table_name text, is_rows boolean)
RETURNS TABLE (name text, event text, type integer, old_table text,
               new_table text)
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN $2 THEN t.name || '_'
               || pg_catalog.left(pg_catalog.md5($1), 8) ELSE t.name END,
           t.event, t.type, t.old_table, t.new_table
    FROM (VALUES
        (1, false, 'pgripple_insert', 'INSERT', 4, NULL, 'pgripple_new'),
        (2, false, 'pgripple_update', 'UPDATE', 16, 'pgripple_old',
            'pgripple_new'),
        (3, false, 'pgripple_delete', 'DELETE', 8, 'pgripple_old', NULL),
        (4, true, 'pgripple_row', 'INSERT OR UPDATE OR DELETE', 29, NULL, NULL),
        (5, NULL, 'pgripple_truncate', 'TRUNCATE', 32, NULL, NULL))
        AS t (place, is_rows, name, event, type, old_table, new_table)
    WHERE coalesce(t.is_rows, $2) = $2 ORDER BY t.place
$$;
COMMENT ON FUNCTION pgripple.wanted_triggers(text, boolean) IS
    'the triggers of a watched table: row-level or statement-level';

-- What is wrong with the triggers of a table and its members: missing,
-- disabled, or another thing of the same name. wrong is NULL for a good one.
CREATE OR REPLACE FUNCTION pgripple.trigger_states(
    members oid[], capture oid, table_name text, is_rows boolean)
RETURNS TABLE (member oid, name text, event text, type integer,
               old_table text, new_table text, wrong text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT m.oid, w.name, w.event, w.type, w.old_table, w.new_table,
           CASE
               WHEN t.oid IS NULL THEN 'missing'
               WHEN t.tgfoid IS DISTINCT FROM $2 OR t.tgtype <> w.type
                   OR t.tgoldtable IS DISTINCT FROM w.old_table
                   OR t.tgnewtable IS DISTINCT FROM w.new_table
                   OR t.tgqual IS NOT NULL OR t.tgattr::text <> ''
                   OR t.tgdeferrable
                   THEN 'not what watch() makes'
               WHEN t.tgenabled = 'D' THEN 'disabled'
               WHEN t.tgenabled <> 'A' THEN 'not ENABLE ALWAYS'
           END
    FROM unnest($1) WITH ORDINALITY AS m (oid, place)
    CROSS JOIN pgripple.wanted_triggers($3, $4)
        WITH ORDINALITY AS w (name, event, type, old_table, new_table, place)
    LEFT JOIN pg_trigger AS t ON t.tgrelid = m.oid AND t.tgname = w.name
    ORDER BY m.place, w.place
$$;
COMMENT ON FUNCTION pgripple.trigger_states(oid[], oid, text, boolean) IS
    'what is wrong with each trigger of a table and its members';

-- Why no trigger can capture every change of this relation; NULL if triggers
-- can.
CREATE OR REPLACE FUNCTION pgripple.unsuitable(relid oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN c.relkind = 'v' THEN 'it is a view, not an ordinary table'
        WHEN c.relkind = 'm'
            THEN 'it is a materialized view, not an ordinary table'
        WHEN c.relkind = 'f' THEN 'it is a foreign table, not an ordinary table'
        WHEN c.relkind NOT IN ('r', 'p') THEN 'it is not an ordinary table'
        WHEN c.relpersistence = 't' THEN 'it is a temporary table'
        WHEN c.relnamespace IN (
                'pg_catalog'::regnamespace, 'information_schema'::regnamespace)
            THEN 'it is a table of the system'
        WHEN c.relnamespace = (SELECT s.relnamespace FROM pg_class AS s
                               WHERE s.oid = 'pgripple.outbox'::regclass)
            THEN 'it is one of pgripple''s own tables'
    END
    FROM pg_class AS c WHERE c.oid = $1
$$;
COMMENT ON FUNCTION pgripple.unsuitable(oid) IS
    'why a relation cannot be watched, NULL if it can';
