-- What people call.

-- Refuses what watch() cannot do, in words.
CREATE OR REPLACE FUNCTION pgripple.check_watch(
    tbl regclass, columns text[], ignore text[], bulk_rows integer)
RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    owner regrole := (
        SELECT n.nspowner FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = 'pgripple.outbox'::regclass);
    present text[];
    unknown text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = tbl) THEN
        RAISE undefined_table USING
            MESSAGE = format('cannot watch "%s": there is no such table', tbl);
    ELSIF pgripple.unsuitable(tbl) IS NOT NULL THEN
        RAISE wrong_object_type USING
            MESSAGE = format('cannot watch "%s": %s', tbl,
                             pgripple.unsuitable(tbl));
    ELSIF array_position(columns || ignore, NULL) IS NOT NULL
            OR columns IS NULL OR ignore IS NULL
            OR bulk_rows IS NULL OR bulk_rows < 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('cannot watch "%s": columns and ignore must be '
                'lists of names, bulk_rows a positive number', tbl);
    END IF;

    SELECT array_agg(f.name) INTO present
        FROM pgripple.column_facts(tbl) AS f;
    SELECT name INTO unknown FROM unnest(columns || ignore) AS name
        WHERE name <> ALL (coalesce(present, '{}')) LIMIT 1;
    IF unknown IS NOT NULL THEN
        RAISE undefined_column USING
            MESSAGE = format('cannot watch "%s": it has no column "%s"', tbl,
                             unknown),
            HINT = format('Its columns are: %s.',
                          array_to_string(present, ', '));
    ELSIF NOT pg_has_role(owner, 'USAGE') THEN
        -- A capture function of another owner would lack the right to write
        -- to the outbox, and every writer would fail.
        RAISE insufficient_privilege USING
            MESSAGE = format('cannot watch "%s": capture functions belong to '
                'role "%s", of which role "%s" is not a member', tbl,
                owner::text, current_user);
    END IF;
END
$$;
COMMENT ON FUNCTION pgripple.check_watch(regclass, text[], text[], integer) IS
    'refuses what watch() cannot do';

-- Makes the triggers of a table and its members right. Creating or enabling
-- one takes SHARE ROW EXCLUSIVE on the table (it waits for writers, and they
-- for it); replacing a wrong one takes ACCESS EXCLUSIVE.
--
-- The server itself clones the row-level trigger of a partitioned table to its
-- partitions, also to those made later. So the table itself comes first, and
-- the others are looked at when it has its triggers.
CREATE OR REPLACE FUNCTION pgripple.mend_triggers(
    tbl regclass, capture oid, table_name text, is_rows boolean)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    members oid[] := ARRAY(
        SELECT c.oid FROM unnest(pgripple.members_of(tbl))
            WITH ORDINALITY AS m (oid, place)
        JOIN pg_class AS c ON c.oid = m.oid AND c.relkind <> 'f'
        ORDER BY m.place);
    member regclass;
    state record;
BEGIN
    -- Those of the other kind, of another name, and on tables that are no
    -- members, or not any more.
    FOR state IN SELECT t.tgname, t.tgrelid::regclass AS tbl
            FROM pg_trigger AS t
            WHERE t.tgfoid = capture AND t.tgparentid = 0
                AND (t.tgrelid <> ALL (members) OR t.tgname NOT IN (
                    SELECT name FROM pgripple.wanted_triggers(
                        table_name, is_rows))) LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', state.tgname, state.tbl);
    END LOOP;
    FOREACH member IN ARRAY members LOOP
        FOR state IN SELECT * FROM pgripple.trigger_states(
                    ARRAY[member::oid], capture, table_name, is_rows) AS s
                WHERE s.wrong IS NOT NULL LOOP
            IF state.wrong = 'not what watch() makes' THEN
                EXECUTE format('DROP TRIGGER %I ON %s', state.name, member);
            END IF;
            IF state.wrong IN ('missing', 'not what watch() makes') THEN
                EXECUTE format(
                    'CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH %s '
                    'EXECUTE FUNCTION %s', state.name, state.event, member,
                    CASE WHEN state.old_table IS NOT NULL
                        OR state.new_table IS NOT NULL THEN 'REFERENCING' END
                    || coalesce(' OLD TABLE AS ' || state.old_table, '')
                    || coalesce(' NEW TABLE AS ' || state.new_table, ''),
                    CASE WHEN state.type & 1 = 1 THEN 'ROW'
                         ELSE 'STATEMENT' END,
                    capture::regprocedure);
            END IF;
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', member,
                           state.name);
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION pgripple.mend_triggers(regclass, oid, text, boolean) IS
    'creates, enables or replaces the triggers of a watched table';

-- What the list is to say of a table that is watched like this.
CREATE OR REPLACE FUNCTION pgripple.wanted_watch(
    tbl regclass, columns text[], ignore text[], bulk_rows integer)
RETURNS pgripple.watch_list LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    wanted pgripple.watch_list;
BEGIN
    wanted.relid := tbl;
    wanted.table_name := (
        SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = tbl);
    wanted.columns := ARRAY(
        SELECT u.name FROM unnest(columns) WITH ORDINALITY AS u (name, place)
        GROUP BY u.name ORDER BY min(u.place));
    wanted.ignore := ARRAY(
        SELECT DISTINCT u.name FROM unnest(ignore) AS u (name)
        ORDER BY u.name);
    wanted.bulk_rows := bulk_rows;
    wanted.watched_at := clock_timestamp();
    RETURN wanted;
END
$$;
COMMENT ON FUNCTION pgripple.wanted_watch(
    regclass, text[], text[], integer) IS
    'what the list is to say of a table that is watched like this';

-- The members of one list that another lacks, quoted; NULL if there are none.
CREATE OR REPLACE FUNCTION pgripple.names_beyond(names text[], known text[])
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off AS $$
    SELECT string_agg(quote_ident(u.name), ', ' ORDER BY u.place)
    FROM unnest($1) WITH ORDINALITY AS u (name, place)
    WHERE u.name <> ALL ($2)
$$;
COMMENT ON FUNCTION pgripple.names_beyond(text[], text[]) IS
    'the members of one list that another lacks';

-- What watch() would change, in words; no row if nothing. watch() itself asks
-- this, so they cannot disagree.
CREATE OR REPLACE FUNCTION pgripple.watch_differences(
    tbl regclass, columns text[], ignore text[],
    bulk_rows integer DEFAULT 100000)
RETURNS TABLE (difference text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    wanted pgripple.watch_list :=
        pgripple.wanted_watch(tbl, columns, ignore, bulk_rows);
    present pgripple.watch_list;
    problem text;
BEGIN
    SELECT * INTO present FROM pgripple.watch_list AS w WHERE w.relid = tbl;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'is not watched yet';
        RETURN;
    END IF;
    problem := pgripple.problem_of(present);
    RETURN QUERY SELECT d.sentence FROM (VALUES
        (problem),
        ('is to capture '
         || pgripple.names_beyond(wanted.columns, present.columns) || ', too'),
        ('is no longer to capture '
         || pgripple.names_beyond(present.columns, wanted.columns)),
        ('is to ignore '
         || pgripple.names_beyond(wanted.ignore, present.ignore)),
        ('is no longer to ignore '
         || pgripple.names_beyond(present.ignore, wanted.ignore)),
        ('is to write a statement of more than ' || wanted.bulk_rows
         || CASE WHEN wanted.bulk_rows <> present.bulk_rows
            THEN ' rows as one change of the whole table, not one of more than '
                 || present.bulk_rows END)) AS d (sentence)
        WHERE d.sentence IS NOT NULL;
    IF FOUND THEN
        RETURN;
    ELSIF present.columns <> wanted.columns THEN
        RETURN QUERY SELECT 'is to capture its columns in another order';
    -- Made from the same, it has the same oid in it; else one must look.
    ELSIF present.source IS DISTINCT FROM (
                SELECT pgripple.source_of(present, s.hash)
                FROM pgripple.sources(tbl) AS s)
            AND pgripple.wanted_body(present) IS DISTINCT FROM (
                SELECT p.prosrc FROM pg_proc AS p
                WHERE p.oid = pgripple.capture_of(present.table_name)) THEN
        RETURN QUERY SELECT 'has another oid than at install';
    END IF;
END
$$;
COMMENT ON FUNCTION pgripple.watch_differences(
    regclass, text[], text[], integer) IS
    'what watch() would change, in words; nothing if all is right';

-- Watches a table: from the commit of this on, its changes are captured.
--
--   columns    those whose values the images carry: what the graph's keys,
--              matches and conditions need
--   ignore     an UPDATE that changes nothing but these is no change
--   bulk_rows  a statement of more rows is written as one change of the whole
--              table
--
-- True if something was changed. If everything is right already nothing is
-- touched, and no lock is taken on the table; nor is it if the triggers are
-- right, and only what they call is replaced.
CREATE OR REPLACE FUNCTION pgripple.watch(
    tbl regclass, columns text[], ignore text[] DEFAULT '{}',
    bulk_rows integer DEFAULT 100000)
RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    wanted pgripple.watch_list;
    former pgripple.watch_list;
    present_source text;
    owner regrole;
    capture oid;
BEGIN
    PERFORM pgripple.check_watch(tbl, columns, ignore, bulk_rows);
    wanted := pgripple.wanted_watch(tbl, columns, ignore, bulk_rows);
    present_source := pgripple.source_of(wanted, s.hash)
        FROM pgripple.sources(tbl) AS s;
    IF NOT EXISTS (SELECT FROM pgripple.watch_differences(
                       tbl, columns, ignore, bulk_rows)) THEN
        -- A newer generator makes the same: that is known from now on.
        UPDATE pgripple.watch_list AS w SET source = present_source
            WHERE w.relid = tbl AND w.source IS DISTINCT FROM present_source;
        RETURN false;
    END IF;

    -- One at a time from here on.
    LOCK TABLE pgripple.watch_list IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO former FROM pgripple.watch_list AS w
        WHERE w.relid = tbl OR w.table_name = wanted.table_name
        ORDER BY w.relid = tbl DESC LIMIT 1;
    wanted.gap := former.gap;
    wanted.members := former.members;
    wanted.triggers := former.triggers;
    wanted.shape := former.shape;
    IF former.table_name <> wanted.table_name
            OR pgripple.body_hash(pgripple.capture_of(former.table_name))
            <> former.body THEN
        wanted.triggers := NULL;    -- a gap, also if nobody has looked yet
    END IF;
    PERFORM pgripple.claim_name(wanted);
    EXECUTE format('CREATE OR REPLACE FUNCTION pgripple.%I() RETURNS trigger '
        'LANGUAGE plpgsql SECURITY DEFINER %s AS %L',
        pgripple.capture_name(wanted.table_name),
        (SELECT string_agg(CASE WHEN s LIKE 'search_path=%' THEN 'SET ' || s
             ELSE format('SET %s = %L', split_part(s, '=', 1),
                         split_part(s, '=', 2)) END, ' ')
         FROM unnest(pgripple.capture_settings(tbl, wanted.columns)) AS s),
        pgripple.wanted_body(wanted));

    capture := pgripple.capture_of(wanted.table_name);
    wanted.body := pgripple.body_hash(capture);
    wanted.source := present_source;
    owner := (SELECT n.nspowner FROM pg_namespace AS n
              JOIN pg_proc AS p ON p.pronamespace = n.oid
              WHERE p.oid = capture);
    EXECUTE format('ALTER FUNCTION %s OWNER TO %s', capture::regprocedure,
                   owner);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC',
                   capture::regprocedure);
    EXECUTE format('COMMENT ON FUNCTION %s IS %L', capture::regprocedure,
                   format('captures changes of %s', wanted.table_name));
    PERFORM pgripple.mend_triggers(tbl, capture, wanted.table_name,
                                   pgripple.needs_rows(tbl));

    DELETE FROM pgripple.watch_list AS w WHERE w.relid = tbl;
    INSERT INTO pgripple.watch_list SELECT wanted.*;
    -- What happened since the last look is for the next one to find.
    IF former.members IS NULL THEN
        UPDATE pgripple.watch_list AS w
            SET members = t.members, triggers = t.triggers, shape = t.shape
            FROM pgripple.traces(tbl) AS t WHERE w.relid = tbl;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION pgripple.watch(regclass, text[], text[], integer) IS
    'captures the changes of a table; false if all was right already';

-- Gives the capture function of one table name to another, if that has none.
CREATE OR REPLACE FUNCTION pgripple.rename_capture(former text, present text)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
BEGIN
    IF pgripple.capture_of(former) IS NOT NULL
            AND pgripple.capture_of(present) IS NULL THEN
        EXECUTE format('ALTER FUNCTION pgripple.%I() RENAME TO %I',
                       pgripple.capture_name(former),
                       pgripple.capture_name(present));
    END IF;
END
$$;
COMMENT ON FUNCTION pgripple.rename_capture(text, text) IS
    'renames a capture function with its table';

-- Makes the name of a table, and with it that of the capture function, free.
-- A table that was dropped and made again has a new oid; a table that was
-- renamed keeps its function, which gets the new name.
--
-- A table that was renamed so that another one could take its place is not
-- watched any more. But if that one was watched itself, both may have changed
-- names: then the former holder steps aside until it is watched anew, and its
-- changes go on to be captured under the name that it had.
CREATE OR REPLACE FUNCTION pgripple.claim_name(wanted pgripple.watch_list)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    holder pgripple.watch_list;
    aside text;
    former text;
BEGIN
    SELECT * INTO holder FROM pgripple.watch_list AS w
        WHERE w.table_name = wanted.table_name AND w.relid <> wanted.relid;
    aside := (SELECT format('%I.%I', n.nspname, c.relname || ' ' || c.oid)
              FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
              WHERE c.oid = holder.relid);
    IF aside IS NULL THEN
        DELETE FROM pgripple.watch_list AS w WHERE w.relid = holder.relid;
    ELSIF EXISTS (SELECT FROM pgripple.watch_list AS w
                  WHERE w.relid = wanted.relid) THEN
        PERFORM pgripple.rename_capture(holder.table_name, aside);
        UPDATE pgripple.watch_list AS w SET table_name = aside
            WHERE w.relid = holder.relid;
    ELSE
        PERFORM pgripple.unwatch(holder.relid);
    END IF;

    SELECT w.table_name INTO former FROM pgripple.watch_list AS w
        WHERE w.relid = wanted.relid AND w.table_name <> wanted.table_name;
    PERFORM pgripple.rename_capture(former, wanted.table_name);
END
$$;
COMMENT ON FUNCTION pgripple.claim_name(pgripple.watch_list) IS
    'makes the name of a table free for watch()';

-- Takes away what watch() made, also where only a part of it is left. True if
-- there was anything. Changes already in the outbox stay there. A table that
-- is gone has no name any more: give its oid, as watched() shows it.
CREATE OR REPLACE FUNCTION pgripple.unwatch(tbl regclass) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    own_schema oid := (SELECT relnamespace FROM pg_class
                       WHERE oid = 'pgripple.outbox'::regclass);
    names text[];
    name text;
    holder regclass;
    did_something boolean := false;
BEGIN
    -- The functions: the one that watch() made, and any that triggers call,
    -- but for that of a parent which is watched itself.
    SELECT array_agg(DISTINCT f.name) INTO names FROM (
        SELECT pgripple.capture_name(w.table_name) AS name
            FROM pgripple.watch_list AS w WHERE w.relid = tbl
        UNION
        SELECT p.proname FROM pg_trigger AS t
            JOIN pg_proc AS p ON p.oid = t.tgfoid
            WHERE t.tgrelid = tbl AND p.pronamespace = own_schema
                AND t.tgparentid = 0
                AND p.oid NOT IN (
                    SELECT c.oid FROM pgripple.watch_list AS w
                    CROSS JOIN pgripple.capture_of(w.table_name) AS c (oid)
                    WHERE w.relid <> tbl AND c.oid IS NOT NULL)) AS f;

    -- Also those on partitions and children, present and former.
    FOR name, holder IN SELECT t.tgname, t.tgrelid FROM pg_trigger AS t
            JOIN pg_proc AS p ON p.oid = t.tgfoid
            WHERE p.proname = ANY (names) AND p.pronamespace = own_schema
                AND t.tgparentid = 0 LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', name, holder);
        did_something := true;
    END LOOP;
    FOREACH name IN ARRAY coalesce(names, '{}') LOOP
        IF to_regprocedure(format('pgripple.%I()', name)) IS NOT NULL THEN
            EXECUTE format('DROP FUNCTION pgripple.%I()', name);
            did_something := true;
        END IF;
    END LOOP;
    DELETE FROM pgripple.model AS m WHERE m.relid = tbl;
    DELETE FROM pgripple.watch_list AS w WHERE w.relid = tbl;
    RETURN did_something OR FOUND;
END
$$;
COMMENT ON FUNCTION pgripple.unwatch(regclass) IS
    'stops capturing the changes of a table';

-- The watched tables, and what is wrong with them; problem is NULL where
-- nothing is. `pgripple check` and the daemon ask this again and again; they
-- need no right on all that it calls.
CREATE OR REPLACE FUNCTION pgripple.watched()
RETURNS TABLE (table_name text, columns text[], ignore text[],
               bulk_rows integer, problem text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT w.table_name, w.columns, w.ignore, w.bulk_rows,
           CASE WHEN NOT e.is_enabled THEN 'capture is disabled'
                WHEN u.relid IS NULL THEN pgripple.problem_of(w) END
    FROM pgripple.watch_list AS w
    CROSS JOIN pgripple.is_enabled() AS e (is_enabled)
    LEFT JOIN pgripple.unchanged() AS u ON u.relid = w.relid
    ORDER BY w.table_name
$$;
COMMENT ON FUNCTION pgripple.watched() IS
    'the watched tables, and what is wrong with them';
