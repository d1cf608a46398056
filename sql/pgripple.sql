-- pgripple.sql: everything that pgripple keeps inside a database.
--
-- Run it as the role that shall own the schema, once for each database:
--
--     psql -v ON_ERROR_STOP=1 -f sql/pgripple.sql
--
-- It is one transaction, and may be run again at any time: running a newer
-- version over an older one upgrades in place and loses no waiting change.
-- sql/uninstall.sql takes everything away again.
--
-- What there is, in the order of this file:
--
--   outbox, rejected, task, ...          the tables
--   version(), channel(), ring(), ...    small things, and the doorbell
--   mark, claim_marks(), ...             a change that stands for many
--   outbox_limit(), mark_instead()       the bound of the outbox
--   disable(), enable(), capturing()     the switch
--   capture_off()                        the switch of one transaction
--   applied(), wait_applied()            for readers of their own writes
--   retry_rejected(), drop_rejected()    second chances
--   column_facts() ... capture_sql()     the generator: which SQL turns the
--                                        rows of a statement into changes
--   watch(), unwatch(), watched()        what a DBA or `pgripple install`
--                                        calls
--   invalidate(), invalidate_model(),    what an application asks for by hand
--   invalidate_all()
--
-- watch() makes one capture function for each watched table and four
-- statement-level triggers that call it. The function runs inside the
-- writer's transaction, so a change is in the outbox exactly if the row's
-- change was committed.
--
-- No function here is open to PUBLIC. Writers need no right on this schema:
-- the capture functions are SECURITY DEFINER and a trigger needs no EXECUTE.
-- Every function pins its search_path to pg_catalog, so names without a
-- schema are the server's own and nobody can put others in their place.

BEGIN;

-- Not a word about what exists already.
SET LOCAL client_min_messages = warning;

DO $$
BEGIN
    CREATE SCHEMA pgripple;
EXCEPTION WHEN duplicate_schema THEN
    NULL;   -- an upgrade
END
$$;
COMMENT ON SCHEMA pgripple IS
    'pgripple: changes of watched tables, on their way to Redis';
REVOKE ALL ON SCHEMA pgripple FROM PUBLIC;


-- ---------------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------------

-- The outbox holds a change until Redis has confirmed it; then the daemon
-- deletes it. xid names the writer; at is taken in the trigger, so the commit
-- is a little later. change is json and not jsonb because numbers must keep
-- every digit as written and nobody searches in it. bytes lets the daemon
-- bound a batch without reading the changes.
CREATE TABLE IF NOT EXISTS pgripple.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    bytes integer NOT NULL,
    change json NOT NULL
);
COMMENT ON TABLE pgripple.outbox IS
    'changes of watched tables that Redis has not confirmed yet';
COMMENT ON COLUMN pgripple.outbox.xid IS 'the transaction that wrote';
COMMENT ON COLUMN pgripple.outbox.at IS
    'when the trigger ran, a little before the commit';
COMMENT ON COLUMN pgripple.outbox.bytes IS 'octet length of change';
COMMENT ON COLUMN pgripple.outbox.change IS
    'table, operation, old and new images of the columns the graph needs';

-- A queue is mostly dead rows: vacuum early, by number and not by share, and
-- without pausing. vacuum_truncate would take an exclusive lock to give back
-- pages that are needed again at once.
ALTER TABLE pgripple.outbox SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 10000,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 10000,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_cost_delay = 0,
    toast.vacuum_truncate = off
);

-- pglz would take longer to compress a chunk than everything else that capture
-- does. lz4 does not, but not every server has it.
DO $$
BEGIN
    -- Only if the outbox is new, or has never been written to: it would lock
    -- writers out.
    IF EXISTS (SELECT FROM pgripple.outbox_id_seq WHERE is_called) THEN
        RETURN;
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_settings
                  WHERE name = 'default_toast_compression'
                      AND 'lz4' = ANY (enumvals)) THEN
        -- EXECUTE: Postgres 13 does not know the syntax.
        EXECUTE 'ALTER TABLE pgripple.outbox '
                'ALTER COLUMN change SET COMPRESSION lz4';
    ELSE
        ALTER TABLE pgripple.outbox
            ALTER COLUMN change SET STORAGE EXTERNAL;
    END IF;
END
$$;

-- What the daemon could not understand, and what Redis refuses for good, so
-- that nothing vanishes unseen.
CREATE TABLE IF NOT EXISTS pgripple.rejected (
    id bigint PRIMARY KEY,
    xid xid8,
    at timestamptz,
    change json,
    reason text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pgripple.rejected IS
    'changes and tasks that could not be understood or applied, with the reason';

-- Work that is long or due later, for example
-- {"do": "scan", "pattern": "team:*"}.
CREATE TABLE IF NOT EXISTS pgripple.task (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    due timestamptz NOT NULL DEFAULT clock_timestamp(),
    created timestamptz NOT NULL DEFAULT clock_timestamp(),
    started timestamptz,
    operation json NOT NULL
);
COMMENT ON TABLE pgripple.task IS
    'operations on Redis that are long or due later';
COMMENT ON COLUMN pgripple.task.started IS
    'when the daemon began with it; NULL while it waits';

-- Which transactions a task may come from; NULL is no bound on that side.
ALTER TABLE pgripple.task
    ADD COLUMN IF NOT EXISTS from_xid xid8,
    ADD COLUMN IF NOT EXISTS to_xid xid8;
COMMENT ON COLUMN pgripple.task.from_xid IS
    'the first transaction that it may come from; NULL: any';
COMMENT ON COLUMN pgripple.task.to_xid IS
    'the last transaction that it may come from; NULL: any';

-- What a repeat waits for that waits for the read replicas, until it is due.
ALTER TABLE pgripple.task
    ADD COLUMN IF NOT EXISTS lsn pg_lsn,
    ADD COLUMN IF NOT EXISTS replicas integer[];
COMMENT ON COLUMN pgripple.task.lsn IS
    'done before it is due if all read replicas have replayed so much';
COMMENT ON COLUMN pgripple.task.replicas IS
    'the senders of those that were connected: all must still be';

-- A waiting task stands for every later one that says the same. One that has
-- started does not: it may be past the place where the new one has work.
CREATE UNIQUE INDEX IF NOT EXISTS task_waiting
    ON pgripple.task (md5(operation::text)) WHERE started IS NULL;
CREATE INDEX IF NOT EXISTS task_due ON pgripple.task (due);
CREATE INDEX IF NOT EXISTS task_lsn ON pgripple.task (lsn)
    WHERE lsn IS NOT NULL;

-- What watch() was last told about each table.
CREATE TABLE IF NOT EXISTS pgripple.watch_list (
    relid regclass PRIMARY KEY,
    table_name text NOT NULL UNIQUE,
    columns text[] NOT NULL,
    ignore text[] NOT NULL,
    bulk_rows integer NOT NULL,
    watched_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE pgripple.watch_list
    ADD COLUMN IF NOT EXISTS gap text,
    ADD COLUMN IF NOT EXISTS members oid[],
    ADD COLUMN IF NOT EXISTS triggers text,
    ADD COLUMN IF NOT EXISTS shape text,
    ADD COLUMN IF NOT EXISTS body text;
COMMENT ON TABLE pgripple.watch_list IS 'the watched tables';
COMMENT ON COLUMN pgripple.watch_list.gap IS
    'why changes were not seen at the last look, NULL if they were';
COMMENT ON COLUMN pgripple.watch_list.members IS
    'the table and all its partitions or children, at the last look';
COMMENT ON COLUMN pgripple.watch_list.triggers IS
    'a hash of the versions of their triggers, at the last look';
COMMENT ON COLUMN pgripple.watch_list.shape IS
    'a hash of the columns and of the files, at the last look';
COMMENT ON COLUMN pgripple.watch_list.body IS
    'a hash of the capture function as watch() made it';
COMMENT ON COLUMN pgripple.watch_list.table_name IS
    'the name under which changes are written, even if the table is renamed';
COMMENT ON COLUMN pgripple.watch_list.columns IS
    'the columns whose values a change carries';
COMMENT ON COLUMN pgripple.watch_list.ignore IS
    'an UPDATE of nothing but these is no change';
COMMENT ON COLUMN pgripple.watch_list.bulk_rows IS
    'a statement of more rows is written as one change of the whole table';

-- What the graph calls the rows of a watched table, as `pgripple install` said.
CREATE TABLE IF NOT EXISTS pgripple.model (
    name text PRIMARY KEY,
    relid regclass NOT NULL
);
COMMENT ON TABLE pgripple.model IS
    'the models of the graph, for those who ask by hand';


-- ---------------------------------------------------------------------------
-- Versions
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION pgripple.version() RETURNS text
LANGUAGE sql IMMUTABLE AS $$SELECT '0.1.0'::text$$;
COMMENT ON FUNCTION pgripple.version() IS
    'the version of pgripple that this file came with';

-- The daemon refuses to work with a schema it does not know.
CREATE OR REPLACE FUNCTION pgripple.schema_version() RETURNS integer
LANGUAGE sql IMMUTABLE AS $$SELECT 4$$;
COMMENT ON FUNCTION pgripple.schema_version() IS
    'grows when tables or the form of a change become different';


-- ---------------------------------------------------------------------------
-- The doorbell
-- ---------------------------------------------------------------------------

-- Two schemas of one database must not wake each other's daemon, and a schema
-- may be renamed or restored from a dump: so the name comes from its oid, now.
CREATE OR REPLACE FUNCTION pgripple.channel() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT 'pgripple_' || relnamespace FROM pg_class
            WHERE oid = 'pgripple.outbox'::regclass);
END
$$;
COMMENT ON FUNCTION pgripple.channel() IS
    'the channel of the doorbell: LISTEN to it to hear of changes';

-- The doorbell's advisory locks have two keys: this class, and 1 for K, which
-- the daemon holds exclusively exactly while it sleeps, or 2 for L, which the
-- one daemon that works holds. It is the outbox's oid, for a plan holds that as
-- a constant: no writer looks it up, and none knows one of before a restore.
CREATE OR REPLACE FUNCTION pgripple.lock_class() RETURNS integer
LANGUAGE sql STABLE AS $$
    SELECT 'pgripple.outbox'::pg_catalog.regclass::pg_catalog.oid::integer
$$;
COMMENT ON FUNCTION pgripple.lock_class() IS
    'the first key of the advisory locks K (1) and L (2)';

-- How full the server's queue of notifications is, from 0 to 1. One stuck
-- listener in any database fills it, and then NOTIFY fails.
CREATE OR REPLACE FUNCTION pgripple.queue_usage() RETURNS double precision
LANGUAGE sql VOLATILE AS $$SELECT pg_catalog.pg_notification_queue_usage()$$;
COMMENT ON FUNCTION pgripple.queue_usage() IS
    'how full the queue of notifications is: above 0.5 nobody rings';

-- ring() is called by every capture function that wrote something. What it
-- does is the mode, and the mode is the function: a writer pays for no
-- look-up. The first line of its body says which one it is.
--
--   adaptive  K got: nobody sleeps, and nobody will fall asleep before this
--             transaction has ended and its row is visible, for the lock is
--             kept until then. K refused: somebody sleeps, NOTIFY. It is left
--             out, and the daemon's next poll finds the row, when it would fail
--             the writer: with a queue that fills up, and where transactions
--             may be prepared, which one that has called NOTIFY cannot be.
--   always    NOTIFY, unless the queue fills up.
--   never     the daemon polls.
--
-- It is one expression without a search_path of its own, so that the planner
-- puts it in place of the call: those who call it have pinned theirs.
CREATE OR REPLACE FUNCTION pgripple.notify_mode(mode text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    action text;
BEGIN
    CASE mode
        WHEN 'adaptive' THEN
            action := $action$
SELECT CASE
    WHEN pg_catalog.pg_try_advisory_xact_lock_shared(pgripple.lock_class(), 1)
        OR pg_catalog.current_setting('max_prepared_transactions') <> '0'
        OR pgripple.queue_usage() > 0.5 THEN NULL
    ELSE pg_catalog.pg_notify(pgripple.channel(), '')
END$action$;
        WHEN 'always' THEN
            action := $action$
SELECT CASE
    WHEN pgripple.queue_usage() > 0.5 THEN NULL
    ELSE pg_catalog.pg_notify(pgripple.channel(), '')
END$action$;
        WHEN 'never' THEN
            action := E'\nSELECT NULL::void';
        ELSE
            RAISE invalid_parameter_value USING
                MESSAGE = format('unknown notify mode "%s"', mode),
                HINT = 'Modes are "adaptive", "always" and "never".';
    END CASE;
    EXECUTE format($ring$
CREATE OR REPLACE FUNCTION pgripple.ring() RETURNS void
LANGUAGE sql VOLATILE AS $body$
-- notify: %s%s
$body$
        $ring$, mode, action);
    REVOKE ALL ON FUNCTION pgripple.ring() FROM PUBLIC;
    COMMENT ON FUNCTION pgripple.ring() IS
        'wakes the daemon; made by notify_mode(text)';
    RETURN mode;
END
$$;
COMMENT ON FUNCTION pgripple.notify_mode(text) IS
    'sets when the doorbell rings: adaptive, always or never';

CREATE OR REPLACE FUNCTION pgripple.notify_mode() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT substring(prosrc FROM '-- notify: (\w+)') FROM pg_proc
    WHERE oid = to_regprocedure('pgripple.ring()')
$$;
COMMENT ON FUNCTION pgripple.notify_mode() IS 'the present mode';

-- A new version may ring differently, but the mode stays what it was.
DO $$BEGIN
    PERFORM pgripple.notify_mode(coalesce(pgripple.notify_mode(), 'adaptive'));
END$$;

-- Puts one change into the outbox and wakes the daemon. Returns the change's id.
CREATE OR REPLACE FUNCTION pgripple.write_change(change json) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id bigint;
BEGIN
    INSERT INTO pgripple.outbox AS o (change, bytes)
        VALUES ($1, octet_length($1::text)) RETURNING o.id INTO new_id;
    PERFORM pgripple.ring();
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION pgripple.write_change(json) IS
    'writes one change and wakes the daemon; returns the change''s id';

-- A canary: the daemon applies it like any change, so that its way can be
-- timed. SECURITY DEFINER: whoever may call this needs no right on the outbox.
CREATE OR REPLACE FUNCTION pgripple.ping(key text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pgripple.write_change(json_build_object('op', 'ping', 'key', key));
END
$$;
COMMENT ON FUNCTION pgripple.ping(text) IS
    'sends a canary through the outbox and returns its id';


-- ---------------------------------------------------------------------------
-- Marks
-- ---------------------------------------------------------------------------
--
-- A mark is a change of a whole table that other changes may hide behind: while
-- it waits, a writer of the same table need not leave one of its own. The table
-- mark knows which rows of the outbox are marks.
--
-- Whoever hides behind a mark must have committed before the daemon applies it;
-- that the mark is still there when it commits would not do, for the daemon may
-- have applied it already and be about to delete it. Therefore a writer locks
-- the mark until its end and then looks whether it is claimed; the daemon
-- claims it, before it applies it, and then looks whether it is locked. One of
-- both sees the other. The lock is an advisory one and what is claimed is in a
-- sequence, since neither depends on a snapshot (a row lock would fail a writer
-- in REPEATABLE READ), and neither makes every writer write to the same row.

CREATE TABLE IF NOT EXISTS pgripple.mark (
    id bigint PRIMARY KEY,
    table_name text NOT NULL
);
CREATE INDEX IF NOT EXISTS mark_table ON pgripple.mark (table_name, id);
COMMENT ON TABLE pgripple.mark IS
    'rows of the outbox that stand for a whole table, and for later changes';

CREATE SEQUENCE IF NOT EXISTS pgripple.mark_claimed MINVALUE 0 START 0;
COMMENT ON SEQUENCE pgripple.mark_claimed IS
    'marks up to this id stand for no later change';

-- The keys of a mark's advisory lock are mark_class() and mark_key(id). Two
-- marks of the same key do no harm. Key 0 is that of claim_marks() itself.
CREATE OR REPLACE FUNCTION pgripple.mark_class() RETURNS integer
LANGUAGE sql STABLE AS $$
    SELECT 'pgripple.mark'::pg_catalog.regclass::pg_catalog.oid::integer
$$;
COMMENT ON FUNCTION pgripple.mark_class() IS
    'the first key of the advisory locks of marks';

CREATE OR REPLACE FUNCTION pgripple.mark_key(id bigint) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (1 + $1 % 2147483646)::integer
$$;
COMMENT ON FUNCTION pgripple.mark_key(bigint) IS
    'the second key of the advisory lock of a mark';

CREATE OR REPLACE FUNCTION pgripple.write_mark(table_name text, reason text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO pgripple.mark VALUES (pgripple.write_change(json_build_object(
        'table', table_name, 'op', 'update', 'whole', reason)), table_name);
END
$$;
COMMENT ON FUNCTION pgripple.write_mark(text, text) IS
    'writes a change of a whole table that may stand for later ones';

-- Makes sure that a mark stands for what this transaction does to a table.
--
-- It looks at what is claimed before it locks, so that writers without end
-- cannot keep a mark from the daemon, and again after it, because of the above.
-- It looks for the mark itself, in case that somebody emptied the outbox.
CREATE OR REPLACE FUNCTION pgripple.rely_on_mark(table_name text, reason text)
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest bigint := (SELECT max(m.id) FROM pgripple.mark AS m
                      WHERE m.table_name = $1);
BEGIN
    IF newest > (SELECT last_value FROM pgripple.mark_claimed)
            AND EXISTS (SELECT FROM pgripple.outbox AS o
                        WHERE o.id = newest)
            AND pg_try_advisory_xact_lock_shared(
                pgripple.mark_class(), pgripple.mark_key(newest)) THEN
        -- A statement of its own: this must be seen after the lock.
        IF newest > (SELECT last_value FROM pgripple.mark_claimed) THEN
            RETURN true;
        END IF;
    END IF;
    PERFORM pgripple.write_mark(table_name, reason);
    RETURN true;
END
$$;
COMMENT ON FUNCTION pgripple.rely_on_mark(text, text) IS
    'leaves a mark for a table, unless one is there that will do; true';

-- The daemon calls this with the ids of a batch before it applies it. What is
-- returned are marks that a transaction under way hides behind: those may be
-- applied, but must stay in the outbox, to be applied once more.
CREATE OR REPLACE FUNCTION pgripple.claim_marks(ids bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest bigint;
    claimed bigint;
BEGIN
    -- One at a time, or a second daemon could set the sequence back.
    PERFORM pg_advisory_xact_lock(pgripple.mark_class(), 0);
    SELECT max(m.id) INTO newest FROM pgripple.mark AS m
        WHERE m.id = ANY (ids);
    SELECT last_value INTO claimed FROM pgripple.mark_claimed;
    IF newest > claimed THEN
        PERFORM setval('pgripple.mark_claimed', newest);
    END IF;

    -- What is acknowledged needs no entry any more.
    DELETE FROM pgripple.mark AS m WHERE m.id <= claimed
        AND NOT EXISTS (SELECT FROM pgripple.outbox AS o WHERE o.id = m.id);
    RETURN ARRAY(SELECT m.id FROM pgripple.mark AS m
                 WHERE m.id = ANY (ids) AND NOT pg_try_advisory_xact_lock(
                     pgripple.mark_class(), pgripple.mark_key(m.id)));
END
$$;
COMMENT ON FUNCTION pgripple.claim_marks(bigint[]) IS
    'ends the use of marks; returns those that are still relied upon';


-- ---------------------------------------------------------------------------
-- The bound of the outbox
-- ---------------------------------------------------------------------------
--
-- Without a daemon (a weekend, a restored copy of the database) the outbox
-- would fill the disk. Past outbox_limit() rows a writer relies on a mark of
-- its table, and leaves no images.
--
-- Counting is too dear for a writer. The number of rows is taken to be the
-- number of ids drawn since outbox_low, which the daemon sets to the id before
-- the oldest row: too high by the transactions that were rolled back.

CREATE SEQUENCE IF NOT EXISTS pgripple.outbox_low MINVALUE 0 START 0;
COMMENT ON SEQUENCE pgripple.outbox_low IS
    'ids up to this one are taken to be gone from the outbox';

-- An outbox that somebody dropped is made anew by this file. Its ids go on where
-- the old ones ended, or a mark of before could be taken for one of its rows.
DO $$BEGIN
    PERFORM pg_catalog.setval('pgripple.outbox_id_seq', former.id)
        FROM (SELECT greatest(
                  (SELECT pg_catalog.max(m.id) FROM pgripple.mark AS m),
                  (SELECT c.last_value FROM pgripple.mark_claimed AS c),
                  (SELECT l.last_value FROM pgripple.outbox_low AS l)) AS id
             ) AS former, pgripple.outbox_id_seq AS present
        WHERE NOT present.is_called AND former.id > 0;
END$$;

-- The limit is the function mark_instead(), like the mode of the doorbell. It
-- is one expression, which the planner puts into that of the capture function:
-- far cheaper than a call. pg_sequence_last_value() is what the view
-- pg_sequences uses; NULL means that no id was drawn yet.
CREATE OR REPLACE FUNCTION pgripple.outbox_limit(max_rows bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF max_rows IS NULL OR max_rows < 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('outbox limit "%s" is not a positive number',
                             max_rows);
    END IF;
    EXECUTE format($function$
CREATE OR REPLACE FUNCTION pgripple.is_outbox_full()
RETURNS boolean LANGUAGE sql VOLATILE AS $body$
    -- outbox_limit: %1$s
    SELECT pg_catalog.pg_sequence_last_value('pgripple.outbox_id_seq')
        - coalesce(pg_catalog.pg_sequence_last_value('pgripple.outbox_low'), 0)
        > %1$s
$body$
        $function$, max_rows);
    REVOKE ALL ON FUNCTION pgripple.is_outbox_full() FROM PUBLIC;
    COMMENT ON FUNCTION pgripple.is_outbox_full() IS
        'whether marks stand for changes; made by outbox_limit(bigint)';
    RETURN max_rows;
END
$$;
COMMENT ON FUNCTION pgripple.outbox_limit(bigint) IS
    'sets how many rows the outbox may have before marks stand for changes';

CREATE OR REPLACE FUNCTION pgripple.outbox_limit() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT substring(prosrc FROM '-- outbox_limit: (\d+)')::bigint FROM pg_proc
    WHERE oid = coalesce(
        to_regprocedure('pgripple.is_outbox_full()'),
        to_regprocedure('pgripple.mark_instead(text)'))  -- schema 2
$$;
COMMENT ON FUNCTION pgripple.outbox_limit() IS 'the present limit, in rows';

DO $$BEGIN
    PERFORM pgripple.outbox_limit(coalesce(pgripple.outbox_limit(), 1000000));
END$$;

CREATE OR REPLACE FUNCTION pgripple.mark_instead(table_name text)
RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN pgripple.is_outbox_full()
                THEN pgripple.rely_on_mark($1, 'outbox limit')
                ELSE false END
$$;
COMMENT ON FUNCTION pgripple.mark_instead(text) IS
    'true if a mark stands for a change';

-- The daemon calls this about once a second when it has acknowledged something.
-- above is its low-water mark, which keeps it from reading dead rows. Returns
-- the number of rows that the outbox is now taken to have.
CREATE OR REPLACE FUNCTION pgripple.measure_outbox(above bigint DEFAULT 0)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    newest bigint;
    low bigint;
BEGIN
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO newest
        FROM pgripple.outbox_id_seq;
    low := coalesce((SELECT o.id - 1 FROM pgripple.outbox AS o
                     WHERE o.id > above ORDER BY o.id LIMIT 1), newest);
    IF low <> (SELECT last_value FROM pgripple.outbox_low) THEN
        PERFORM setval('pgripple.outbox_low', low);
    END IF;
    RETURN newest - low;
END
$$;
COMMENT ON FUNCTION pgripple.measure_outbox(bigint) IS
    'tells writers how full the outbox is, and returns it';


-- ---------------------------------------------------------------------------
-- The switch
-- ---------------------------------------------------------------------------
--
-- disable() stops all capture and enable() starts it again, from psql alone and
-- without a lock on any watched table. What is written in between is not seen;
-- so enable() leaves a mark for every watched table.
--
-- That mark must not be applied before the last unseen writer has committed. So
-- a writer who goes unseen holds an advisory lock until its end, and enable()
-- waits for all of them; who comes while it waits is refused the lock, and
-- captured. Who comes after it may still run the function of before, out of a
-- cache: so a writer who got the lock then looks at a sequence, which is never
-- cached. Conversely the sequence alone stops nothing: it does not roll back.

CREATE SEQUENCE IF NOT EXISTS pgripple.capture_switch MINVALUE 0 START 0;
COMMENT ON SEQUENCE pgripple.capture_switch IS
    '1: writers may go unseen, if capturing() says so too';

-- The keys of the advisory locks are this class and 1 for that of the unseen
-- writers, 2 for those who switch.
CREATE OR REPLACE FUNCTION pgripple.switch_class() RETURNS integer
LANGUAGE sql STABLE AS $$
    SELECT 'pgripple.capture_switch'::pg_catalog.regclass
        ::pg_catalog.oid::integer
$$;
COMMENT ON FUNCTION pgripple.switch_class() IS
    'the first key of the advisory locks of the switch';

-- capturing() is asked by every capture function. While all is well it is one
-- look at a setting (see capture_off()), which the planner puts in place of the
-- call. VOLATILE, for a STABLE function that calls a volatile one stays a call.
CREATE OR REPLACE FUNCTION pgripple.set_capturing(is_on boolean)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF is_on THEN
        CREATE OR REPLACE FUNCTION pgripple.capturing() RETURNS boolean
        LANGUAGE sql VOLATILE AS $body$
    SELECT coalesce(pg_catalog.current_setting('pgripple.capture', true), '')
        = '' OR pgripple.must_capture() -- capture: enabled
$body$;
    ELSE
        CREATE OR REPLACE FUNCTION pgripple.capturing() RETURNS boolean
        LANGUAGE plpgsql VOLATILE AS $body$
-- capture: disabled
BEGIN
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(
            pgripple.switch_class(), 1) THEN
        RETURN true;
    END IF;
    RETURN (SELECT last_value = 0 FROM pgripple.capture_switch);
END
$body$;
    END IF;
    REVOKE ALL ON FUNCTION pgripple.capturing() FROM PUBLIC;
    COMMENT ON FUNCTION pgripple.capturing() IS
        'whether changes are captured; made by enable() and disable()';
END
$$;
COMMENT ON FUNCTION pgripple.set_capturing(boolean) IS
    'the part of enable() and disable() that a rollback undoes';

CREATE OR REPLACE FUNCTION pgripple.is_enabled() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT prosrc LIKE '%-- capture: enabled%' FROM pg_proc
    WHERE oid = to_regprocedure('pgripple.capturing()')
$$;
COMMENT ON FUNCTION pgripple.is_enabled() IS
    'false between disable() and enable()';

-- The switch of one transaction: capture_off() is for a bulk load that is
-- followed by invalidate_model(), and for those roles alone that may EXECUTE it.
--
-- The setting pgripple.capture carries it, since a rollback to a savepoint must
-- undo it. Anybody can SET that, so it is not believed: it must name the
-- transaction, as capture_off() writes it, and the role must be one that may
-- call that. Only where it is set must_capture() is called at all.
CREATE OR REPLACE FUNCTION pgripple.capture_off() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('pgripple.capture', 'off in ' || pg_current_xact_id(),
                       true);
END
$$;
COMMENT ON FUNCTION pgripple.capture_off() IS
    'stops capture until the end of the transaction';

-- A capture function runs as its owner: the role that writes is the one that
-- was SET, or else that of the login. One WARNING in a transaction is enough.
CREATE OR REPLACE FUNCTION pgripple.must_capture() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    setting text := current_setting('pgripple.capture');
    writer text := CASE current_setting('role') WHEN 'none' THEN session_user
                   ELSE current_setting('role') END;
    reason text;
BEGIN
    IF setting = 'on' THEN
        RETURN true;
    ELSIF setting <> 'off in ' || pg_current_xact_id() THEN
        reason := 'pgripple.capture was set by hand';
    ELSIF NOT has_function_privilege(writer, 'pgripple.capture_off()',
                                     'EXECUTE') THEN
        reason := format('role "%s" must not switch it off', writer);
    ELSE
        RETURN false;
    END IF;
    RAISE WARNING 'changes are captured all the same: %', reason
        USING HINT = 'Call pgripple.capture_off(), as a member of '
                     '"pgripple_bulk" for example.';
    PERFORM set_config('pgripple.capture', 'on', true);
    RETURN true;
END
$$;
COMMENT ON FUNCTION pgripple.must_capture() IS
    'whether changes are captured where pgripple.capture is set';

DO $$BEGIN
    PERFORM pgripple.set_capturing(coalesce(pgripple.is_enabled(), true));
END$$;

CREATE OR REPLACE FUNCTION pgripple.mark_all(reason text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pgripple.write_mark(w.table_name, reason)
        FROM pgripple.watch_list AS w ORDER BY w.table_name;
END
$$;
COMMENT ON FUNCTION pgripple.mark_all(text) IS
    'leaves a mark for every watched table';

-- Stops all capture. It does so whatever state the outbox is in, for that may
-- be the reason to call it. False if capture was disabled already.
CREATE OR REPLACE FUNCTION pgripple.disable() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was_enabled boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(pgripple.switch_class(), 2);
    was_enabled := pgripple.is_enabled();
    PERFORM setval('pgripple.capture_switch', 1);
    PERFORM pgripple.set_capturing(false);
    IF was_enabled THEN
        BEGIN
            PERFORM pgripple.mark_all('disabled');
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'capture is disabled, but this could not be written '
                'to the outbox: %', SQLERRM;
        END;
    END IF;
    RETURN was_enabled;
END
$$;
COMMENT ON FUNCTION pgripple.disable() IS
    'stops all capture: writers go unseen until enable()';

-- Starts capture again. Waits for transactions that wrote unseen (set a
-- lock_timeout if that may take long); meanwhile new ones are captured already.
-- False if capture was not disabled.
CREATE OR REPLACE FUNCTION pgripple.enable() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(pgripple.switch_class(), 2);
    IF pgripple.is_enabled() THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(pgripple.switch_class(), 1);
    -- From here on everything is captured, even if this is rolled back.
    PERFORM setval('pgripple.capture_switch', 0);
    PERFORM pgripple.set_capturing(true);
    PERFORM pgripple.mark_all('enabled');
    RETURN true;
END
$$;
COMMENT ON FUNCTION pgripple.enable() IS
    'starts capture again, and touches every watched table as a whole';


-- ---------------------------------------------------------------------------
-- What has been applied
-- ---------------------------------------------------------------------------

-- Whether everything that a transaction changed has been applied to Redis. It
-- has not while the transaction runs, a change of it waits in the outbox or was
-- rejected, a task that may come from it is left, or a mark waits that it may
-- hide behind. One snapshot answers all of this.
--
-- Read backwards: a change that waits is one of the latest. SECURITY DEFINER:
-- whoever may call this needs no right on the outbox.
CREATE OR REPLACE FUNCTION pgripple.applied(xid xid8) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
    RETURN pg_visible_in_snapshot($1, pg_current_snapshot())
        AND pgripple.is_enabled()
        AND (SELECT o.id FROM pgripple.outbox AS o WHERE o.xid = $1
             ORDER BY o.id DESC LIMIT 1) IS NULL
        AND NOT EXISTS (SELECT FROM pgripple.rejected AS r WHERE r.xid = $1)
        AND NOT EXISTS (SELECT FROM pgripple.task AS t
                        WHERE coalesce(t.from_xid, $1) <= $1
                            AND coalesce(t.to_xid, $1) >= $1)
        AND NOT EXISTS (SELECT FROM pgripple.mark AS m
                        JOIN pgripple.outbox AS o ON o.id = m.id);
END
$$;
COMMENT ON FUNCTION pgripple.applied(xid8) IS
    'whether all that a transaction changed has been applied to Redis';

-- Looks again and again until applied() or the timeout: CALL it, outside of a
-- transaction block. It is a procedure because a function could not let go of
-- its caller's snapshot, which would keep VACUUM from its work all the time;
-- this takes a new one for each look. It pins no search_path because a
-- procedure that does cannot COMMIT; it has the rights of who calls it.
CREATE OR REPLACE PROCEDURE pgripple.wait_applied(
    xid xid8, timeout interval, INOUT is_applied boolean DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    deadline timestamptz := pg_catalog.clock_timestamp() + timeout;
    pause double precision := 0.001;    -- seconds
BEGIN
    LOOP
        is_applied := pgripple.applied(xid);
        COMMIT;
        EXIT WHEN is_applied OR pg_catalog.clock_timestamp() >= deadline;
        PERFORM pg_catalog.pg_sleep(pause);
        pause := least(pause * 2, 0.05);
        COMMIT;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE pgripple.wait_applied(xid8, interval, boolean) IS
    'waits until applied(), at most this long';


-- ---------------------------------------------------------------------------
-- Rejected changes
-- ---------------------------------------------------------------------------

-- Moves a task that Redis refused, or that nobody understands, to the rejected
-- changes, as {"op": "task", "operation": ...}. Its id is drawn like those of
-- changes: no row of the outbox will have it. For the daemon.
CREATE OR REPLACE FUNCTION pgripple.reject_task(
    id bigint, reason text, max_rejected bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH taken AS (
        DELETE FROM pgripple.task AS t WHERE t.id = $1
        RETURNING t.to_xid, t.created, t.operation)
    INSERT INTO pgripple.rejected (id, xid, at, change, reason)
        SELECT nextval('pgripple.outbox_id_seq'), t.to_xid, t.created,
               json_build_object('op', 'task', 'operation', t.operation), $2
        FROM taken AS t WHERE $3 > 0;
    DELETE FROM pgripple.rejected AS r WHERE r.id = ANY (ARRAY(
        SELECT o.id FROM pgripple.rejected AS o
        ORDER BY o.rejected_at DESC, o.id DESC OFFSET $3));
END
$$;
COMMENT ON FUNCTION pgripple.reject_task(bigint, text, bigint) IS
    'moves a task to the rejected changes; for the daemon';

-- Puts one rejected change, or all, back into the outbox, to be tried again:
-- with a new id, for the daemon does not look for old ones any more. A task
-- becomes a task again. Returns how many.
CREATE OR REPLACE FUNCTION pgripple.retry_rejected(id bigint DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_rows bigint;
BEGIN
    WITH taken AS (
        DELETE FROM pgripple.rejected AS r
        WHERE r.id = coalesce($1, r.id) AND r.change IS NOT NULL
        RETURNING r.id, r.xid, r.change,
                  r.change -> 'operation' AS task
        ), tasks AS (
        INSERT INTO pgripple.task (operation, from_xid, to_xid)
        SELECT t.task, NULL, t.xid FROM taken AS t
        WHERE t.task IS NOT NULL ORDER BY t.id
        ON CONFLICT (md5(operation::text)) WHERE started IS NULL DO NOTHING
        ), changes AS (
        INSERT INTO pgripple.outbox (xid, change, bytes)
        SELECT coalesce(t.xid, pg_current_xact_id()), t.change,
               octet_length(t.change::text)
        FROM taken AS t WHERE t.task IS NULL ORDER BY t.id)
    SELECT count(*) INTO n_rows FROM taken;
    IF n_rows > 0 THEN
        PERFORM pgripple.ring();
    END IF;
    RETURN n_rows;
END
$$;
COMMENT ON FUNCTION pgripple.retry_rejected(bigint) IS
    'puts rejected changes back into the outbox: one by its id, or all';

CREATE OR REPLACE FUNCTION pgripple.drop_rejected(id bigint DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_rows bigint;
BEGIN
    DELETE FROM pgripple.rejected AS r WHERE r.id = coalesce($1, r.id);
    GET DIAGNOSTICS n_rows = ROW_COUNT;
    RETURN n_rows;
END
$$;
COMMENT ON FUNCTION pgripple.drop_rejected(bigint) IS
    'forgets rejected changes: one by its id, or all';


-- ---------------------------------------------------------------------------
-- The generator: which SQL turns a statement's rows into changes
-- ---------------------------------------------------------------------------
--
-- capture_sql() returns one INSERT into the outbox for one operation on one
-- table. watch() writes its text into the capture function; when the columns
-- have changed since (a migration), the capture function asks for the text
-- again and EXECUTEs it. One generator makes both, so they cannot disagree.
--
-- The functions below are called in a session whose settings the capture
-- function or watch() has pinned.

-- What the generator must know about each column.
--
--   shown     how its value gets into an image
--               as_is    JSON shows it as to_jsonb() does
--               float    through to_jsonb(): never an exponent
--               text     a string of what its output function prints. For
--                        every type that is structured, or not the server's
--                        own: to_json() would call a function that a user
--                        attached to the type with CREATE CAST (... AS json),
--                        with the rights of the outbox's owner
--               unknown  a virtual generated column has no value in a trigger
--   max_bytes the longest text it can have; NULL without bound
--   is_exact  its "=" is true only for values with the same text
--   is_packed of variable length, so it may be compressed or stored elsewhere
--   key_place its place in the primary key, NULL if it is not in it
--   key_sound the key's "=" is the server's own
CREATE OR REPLACE FUNCTION pgripple.column_facts(relid oid)
RETURNS TABLE (place integer, name text, type oid, shown text,
               max_bytes integer, is_exact boolean, is_packed boolean,
               key_place integer, key_sound boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE base AS (
        -- A domain counts as the type that it is made of.
        SELECT a.attnum, a.atttypid AS type, a.atttypmod AS typmod
        FROM pg_attribute AS a
        WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attnum, t.typbasetype, t.typtypmod
        FROM base AS b JOIN pg_type AS t ON t.oid = b.type
        WHERE t.typtype = 'd'
    )
    SELECT a.attnum::integer, a.attname::text, t.oid,
           CASE
               WHEN a.attgenerated = 'v' THEN 'unknown'
               WHEN t.typnamespace <> 'pg_catalog'::regnamespace
                    OR t.typtype <> 'b' OR t.typcategory = 'A'
                    OR t.oid IN ('json'::regtype, 'jsonb'::regtype) THEN 'text'
               WHEN t.oid IN ('float4'::regtype, 'float8'::regtype) THEN 'float'
               ELSE 'as_is'
           END,
           CASE
               WHEN t.typtype = 'e' THEN 64
               -- Up to four bytes a character; the type modifier counts four
               -- bytes of header as well.
               WHEN t.oid IN ('varchar'::regtype, 'bpchar'::regtype)
                    AND b.typmod > 0 THEN (b.typmod - 4) * 4
               WHEN t.oid IN ('numeric'::regtype) AND b.typmod > 0 THEN 1024
               WHEN t.typnamespace = 'pg_catalog'::regnamespace
                    AND (t.typlen > 0 AND t.typtype = 'b' OR t.oid
                         IN ('inet'::regtype, 'cidr'::regtype)) THEN 512
           END,
           t.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
                     'oid'::regtype, 'bool'::regtype, 'uuid'::regtype,
                     'date'::regtype, 'timestamp'::regtype,
                     'timestamptz'::regtype, 'time'::regtype),
           t.typlen < 0,
           array_position(i.indkey::int2[], a.attnum) + 1,
           EXISTS (
               SELECT FROM pg_opclass AS c
               JOIN pg_amop AS p ON p.amopfamily = c.opcfamily
                   AND p.amoplefttype = c.opcintype
                   AND p.amoprighttype = c.opcintype AND p.amopstrategy = 3
               JOIN pg_operator AS o ON o.oid = p.amopopr
               WHERE c.oid = i.indclass[array_position(i.indkey::int2[],
                                                       a.attnum)]
                   AND o.oprname = '='
                   AND o.oprnamespace = 'pg_catalog'::regnamespace)
    FROM base AS b
    JOIN pg_type AS t ON t.oid = b.type AND t.typtype <> 'd'
    JOIN pg_attribute AS a ON a.attrelid = $1 AND a.attnum = b.attnum
    LEFT JOIN pg_index AS i ON i.indrelid = $1 AND i.indisprimary
    ORDER BY a.attnum
$$;
COMMENT ON FUNCTION pgripple.column_facts(oid) IS
    'what the generator must know about each column of a table';

-- The columns a table has now, as numbers to compare: SQL for a list of one
-- 64-bit hash for each column, of its name, type and type modifier. While it is
-- what it was at install, the static SQL of the capture function fits.
-- table_sql is SQL for the table's oid.
--
-- Hashes, because this runs in every statement of a writer: 5 us, where the
-- same as text, with the primary key in it, took 16. Types that are not the
-- server's own count by name, for their oids are other ones after a dump and
-- restore.
CREATE OR REPLACE FUNCTION pgripple.fingerprint_sql(table_sql text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format($sql$ARRAY(
            SELECT hashnameextended(a.attname, (
                CASE WHEN a.atttypid < 16384 THEN a.atttypid::bigint
                     ELSE hashtext(format_type(a.atttypid, NULL)) END << 32)
                + a.atttypmod)
            FROM pg_attribute AS a
            WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum)$sql$, table_sql)
$$;
COMMENT ON FUNCTION pgripple.fingerprint_sql(text) IS
    'SQL for a list of hashes of the columns that a table has now';

CREATE OR REPLACE FUNCTION pgripple.fingerprint(relid oid) RETURNS bigint[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    found bigint[];
BEGIN
    EXECUTE 'SELECT ' || pgripple.fingerprint_sql('$1') INTO found USING relid;
    RETURN found;
END
$$;
COMMENT ON FUNCTION pgripple.fingerprint(oid) IS
    'the columns a table has now, as hashes to compare';

-- The same, seen by a snapshot of its own: VOLATILE.
CREATE OR REPLACE FUNCTION pgripple.present_fingerprint(relid oid)
RETURNS bigint[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT pgripple.fingerprint($1));
END
$$;
COMMENT ON FUNCTION pgripple.present_fingerprint(oid) IS
    'the columns a table has now, in READ COMMITTED';

-- Whether a table has these columns. It is not IMMUTABLE, but says that it is:
-- with constants as arguments the planner calls it once and keeps the answer in
-- the plan, and Postgres forgets every plan that names a table's oid when that
-- table is altered. So the answer is always right, and no statement of a writer
-- pays for it: 5 us less.
--
-- For that the plan must be made under a snapshot that sees what was committed
-- before the statement got its lock on the table. So it must stand in a statement
-- of its own, which is reached in READ COMMITTED alone; and there, since COPY
-- takes its snapshot before its lock, present_fingerprint() takes another.
CREATE OR REPLACE FUNCTION pgripple.has_columns(
    relid oid, fingerprint bigint[])
RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN pgripple.present_fingerprint($1) = $2;
END
$$;
COMMENT ON FUNCTION pgripple.has_columns(oid, bigint[]) IS
    'whether a table has these columns; answered when a statement is planned';

-- By which columns an UPDATE of many rows is paired; NULL if by none.
CREATE OR REPLACE FUNCTION pgripple.primary_key(relid oid) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(a.attname::text
                ORDER BY array_position(i.indkey::int2[], a.attnum))
            FROM pg_index AS i
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid
                AND a.attnum = ANY (i.indkey::int2[])
            WHERE i.indrelid = $1 AND i.indisprimary);
END
$$;
COMMENT ON FUNCTION pgripple.primary_key(oid) IS
    'the columns of a table''s primary key, NULL without one';

-- Whether this transaction's snapshot shows the table's columns as they are. In
-- REPEATABLE READ and SERIALIZABLE it may be older than a migration: then the
-- catalog's tables still show the old names while statements must use the new
-- ones. Functions that describe objects read the present ones, and so do those
-- that look at rights: they give NULL for a column that does not exist. A new
-- one has a number above all others; of several in one transaction's time, the
-- first 50 may be dropped again.
CREATE OR REPLACE FUNCTION pgripple.snapshot_is_current(relid oid)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT c.relfilenode = pg_relation_filenode(c.oid)
            FROM pg_class AS c WHERE c.oid = $1)
        AND NOT EXISTS (
            SELECT FROM pg_attribute AS a
            CROSS JOIN LATERAL pg_identify_object(
                'pg_class'::regclass, a.attrelid, a.attnum) AS i
            WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
                AND i.identity <> format('%s.%I', $1::regclass, a.attname))
        AND NOT EXISTS (
            SELECT FROM generate_series(1, 50) AS further
            WHERE has_column_privilege($1, ((
                SELECT max(a.attnum) FROM pg_attribute AS a
                WHERE a.attrelid = $1) + further)::int2, 'SELECT')
                IS NOT NULL);
END
$$;
COMMENT ON FUNCTION pgripple.snapshot_is_current(oid) IS
    'false in a transaction that began before the table''s last migration';

-- The expression that shows a column's value in JSON, for row_to_json() and the
-- like: the daemon looks rows up with it. source is the alias of the row.
--
-- A text over 1 kB stays out: images must be small, and the writer must not
-- pay for fetching and unpacking it. octet_length() of a string and
-- pg_column_size() look at a value's header only; the third test prints a
-- value that is small as it is stored, but may be long as text.
CREATE OR REPLACE FUNCTION pgripple.value_sql(
    source text, name text, type oid, shown text, max_bytes integer)
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    value text := format('%s.%I', source, name);
    is_long text;
    as_json text;
BEGIN
    IF shown = 'unknown' THEN
        RETURN $value$'{"unknown":"virtual generated column"}'::json$value$;
    END IF;
    IF max_bytes <= 1024 AND shown = 'as_is' THEN
        RETURN value;
    END IF;

    as_json := CASE shown
        WHEN 'float' THEN format('to_jsonb(%s)', value)
        WHEN 'as_is' THEN format('to_json(%s)', value)
        -- IS DISTINCT FROM NULL: a composite of NULLs is not NULL itself.
        ELSE format('CASE WHEN %1$s IS DISTINCT FROM NULL '
                    || 'THEN to_json(format(''%%s'', %1$s)) END', value)
    END;
    IF max_bytes <= 1024 THEN
        RETURN as_json;
    END IF;

    is_long := CASE
        WHEN type IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
            THEN format('octet_length(%s) > 1024', value)
        WHEN type = 'bytea'::regtype    -- "\x", and two digits for each byte
            THEN format('octet_length(%s) > 511', value)
        ELSE format('pg_column_size(%1$s) > 1024 '
                    || 'OR octet_length(format(''%%s'', %1$s)) > 1024', value)
    END;
    RETURN format('CASE WHEN %s THEN ''{"unknown":"too large"}''::json '
                  'ELSE %s END', is_long, as_json);
END
$$;
COMMENT ON FUNCTION pgripple.value_sql(text, text, oid, text, integer) IS
    'SQL that shows a column''s value in an image';

-- The same as JSON text, never NULL. What needs no escaping is not escaped.
CREATE OR REPLACE FUNCTION pgripple.value_text_sql(
    source text, name text, type oid, shown text, max_bytes integer)
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    value text := format('%s.%I', source, name);
    as_json text := pgripple.value_sql(source, name, type, shown, max_bytes);
BEGIN
    RETURN CASE
        WHEN type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
                      'bool'::regtype) AND shown = 'as_is'
            THEN format('coalesce(%s::text, ''null'')', value)
        WHEN type IN ('uuid'::regtype, 'oid'::regtype) AND shown = 'as_is'
            THEN format('coalesce(''"'' || %s::text || ''"'', ''null'')', value)
        WHEN as_json = value
            THEN format('coalesce(to_json(%s)::text, ''null'')', value)
        ELSE format('coalesce((%s)::text, ''null'')', as_json)
    END;
END
$$;
COMMENT ON FUNCTION pgripple.value_text_sql(text, text, oid, text, integer) IS
    'SQL for the JSON text of a column''s value';

-- Which settings of a session change how a type's values look as JSON, each
-- with what capture pins it to.
--
-- Pinning one costs every statement of a writer 0.3 us. A type that is not
-- known here may depend on any of them.
CREATE OR REPLACE FUNCTION pgripple.value_settings(type oid) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN t.typtype = 'e' OR t.oid = ANY (ARRAY[
                'int2', 'int4', 'int8', 'numeric', 'oid', 'bool', 'text',
                'varchar', 'bpchar', 'name', '"char"', 'uuid', 'date', 'time',
                'timetz', 'timestamp', 'json', 'jsonb', 'xml', 'inet', 'cidr',
                'macaddr', 'macaddr8', 'bit', 'varbit', 'pg_lsn', 'xid',
                'xid8']::regtype[]::oid[]) THEN '{}'
        WHEN t.oid = 'timestamptz'::regtype THEN ARRAY['TimeZone=UTC']
        WHEN t.oid = 'interval'::regtype THEN ARRAY['IntervalStyle=postgres']
        WHEN t.oid = 'bytea'::regtype THEN ARRAY['bytea_output=hex']
        WHEN t.oid IN ('float4'::regtype, 'float8'::regtype)
            THEN ARRAY['extra_float_digits=1']
        ELSE ARRAY['DateStyle=ISO, YMD', 'IntervalStyle=postgres',
                   'TimeZone=UTC', 'bytea_output=hex', 'extra_float_digits=1',
                   'lc_monetary=C', 'quote_all_identifiers=off']
    END
    FROM pg_type AS t WHERE t.oid = $1
$$;
COMMENT ON FUNCTION pgripple.value_settings(oid) IS
    'the settings that change how a type''s values look';

-- SQL that puts many texts in a row: concat(), which takes half the time of a
-- chain of "||". A function has at most 100 arguments, so of many parts fifty
-- each are put together first.
CREATE OR REPLACE FUNCTION pgripple.concat_sql(parts text[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN count(*) = 1 THEN min(call)
           ELSE 'concat(' || string_agg(call, E',\n            '
                                        ORDER BY place) || ')' END
    FROM (SELECT (p.place - 1) / 50 AS place,
                 'concat(' || string_agg(p.sql, E',\n            '
                                         ORDER BY p.place) || ')' AS call
          FROM unnest($1) WITH ORDINALITY AS p (sql, place)
          GROUP BY 1) AS calls
$$;
COMMENT ON FUNCTION pgripple.concat_sql(text[]) IS
    'SQL that puts many texts in a row';

-- The text of one image, as SQL for each of its parts. After a migration a column
-- can be gone, or be of a type that depends on a setting which the capture
-- function does not pin.
DROP FUNCTION IF EXISTS pgripple.image_sql(text, oid, text[], boolean);
CREATE OR REPLACE FUNCTION pgripple.image_parts(
    source text, relid oid, columns text[], is_drift boolean)
RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(
        quote_literal(CASE wanted.place WHEN 1 THEN '{' ELSE ',' END
                      || to_json(wanted.name) || ':')
        || ', ' || CASE
            WHEN f.name IS NULL
                THEN $value$'{"unknown":"no such column"}'$value$
            WHEN $4 AND EXISTS (
                SELECT FROM unnest(pgripple.value_settings(f.type)) AS s
                WHERE current_setting(split_part(s, '=', 1))
                    <> split_part(s, '=', 2))
                THEN $value$'{"unknown":"type changed"}'$value$
            ELSE pgripple.value_text_sql($1, f.name, f.type, f.shown,
                                         f.max_bytes)
        END ORDER BY wanted.place) || ARRAY[$end$'}'$end$],
        ARRAY[$value$'{}'$value$])
    FROM unnest($3) WITH ORDINALITY AS wanted (name, place)
    LEFT JOIN pgripple.column_facts($2) AS f ON f.name = wanted.name
$$;
COMMENT ON FUNCTION pgripple.image_parts(text, oid, text[], boolean) IS
    'SQL for the parts of the text of a row''s image';

-- The condition under which a column differs between o and n.
--
-- Images are compared (*<>), for a type's own "=" may call different texts
-- equal or not exist at all. Under COLLATE "C" that of a string is a plain
-- comparison of bytes. Values over 2000 bytes, as they are stored, are not compared
-- but count as different: unpacking them can take the writer a thousand times
-- longer than its own work.
CREATE OR REPLACE FUNCTION pgripple.differs_sql(
    name text, type oid, is_exact boolean, is_packed boolean,
    max_bytes integer)
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    differs text := format(CASE
        WHEN is_exact THEN 'o.%1$I IS DISTINCT FROM n.%1$I'
        WHEN type IN ('text'::regtype, 'varchar'::regtype)
            THEN 'o.%1$I COLLATE "C" IS DISTINCT FROM n.%1$I COLLATE "C"'
        ELSE 'ROW(o.%1$I)::record *<> ROW(n.%1$I)::record' END, name);
BEGIN
    IF is_exact OR NOT is_packed OR max_bytes <= 1996 THEN
        RETURN differs;
    END IF;
    RETURN format('CASE WHEN pg_column_size(o.%1$I) > 2000 '
                  'OR pg_column_size(n.%1$I) > 2000 THEN true ELSE %2$s END',
                  name, differs);
END
$$;
COMMENT ON FUNCTION pgripple.differs_sql(
    text, oid, boolean, boolean, integer) IS
    'SQL that says whether a column differs between old and new row';

-- The INSERT that writes the changes of one statement, from the transition
-- tables pgripple_old and pgripple_new.
--
--   operation  insert, update or delete
--   columns    what the images hold; those that do not exist are unknown
--   ignore     an UPDATE of nothing else writes nothing
--   is_many    false if the statement changed one row, which needs no chunks;
--              NULL if that is not known: then it writes if it was one, and
--              nothing otherwise
--   is_drift   mark the change as written after a migration
--
-- For one row, its change is put together from the row. For many, from the
-- inside out: images (one row for each pair that counts), chunks (their bytes
-- summed up: about 64 kB, and at most 1,000 images on a side, since each pair
-- counts for 66 bytes or more), one outbox row for each.
--
-- The JSON is made as text, which takes less than the functions that build JSON:
-- 1 us less for one row. The cast to json checks it. OFFSET 0 keeps the planner
-- from computing a text once for each use of it. So does LIMIT 1, and from taking
-- a statement for expensive, worth to be compiled, when it is planned while there
-- are many rows.
CREATE OR REPLACE FUNCTION pgripple.capture_sql(
    relid oid, table_name text, operation text, columns text[], ignore text[],
    is_many boolean, is_drift boolean)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    has_old boolean := operation <> 'insert';
    has_new boolean := operation <> 'delete';
    old_parts text[] := pgripple.image_parts('o', relid, columns, is_drift);
    new_parts text[] := pgripple.image_parts('n', relid, columns, is_drift);
    key_columns text[];
    is_paired boolean;      -- old and new row of an update are put together
    is_pair text;           -- both are there and have the same key
    keys_differ boolean;    -- the same key can be another text, or is ignored
    is_different text;      -- anything but ignore differs
    differences text := ''; -- is_single, differs_1, ... beside the images
    changed text[] := '{}'; -- the member with the columns that differ
    conditions text[];
    source text;            -- the rows, or the images
    change text[];
BEGIN
    SELECT array_agg(f.name ORDER BY f.key_place) INTO key_columns
        FROM pgripple.column_facts(relid) AS f WHERE f.key_place IS NOT NULL
        HAVING bool_and(f.key_sound);
    is_paired := operation = 'update' AND key_columns IS NOT NULL;

    IF is_paired THEN
        is_pair := (SELECT string_agg(format('n.%1$I = o.%1$I', key), ' AND ')
                    FROM unnest(key_columns) AS key);
        SELECT bool_or(NOT f.is_exact OR f.name = ANY (ignore))
            INTO keys_differ FROM pgripple.column_facts(relid) AS f
            WHERE f.key_place IS NOT NULL;
        SELECT concat_ws(E'\n        OR ',
                   CASE WHEN keys_differ
                        THEN '(' || is_pair || ') IS NOT TRUE' END,
                   string_agg(pgripple.differs_sql(
                           f.name, f.type, f.is_exact, f.is_packed,
                           f.max_bytes),
                       E'\n        OR ' ORDER BY f.is_exact DESC, f.place))
            INTO is_different
            FROM pgripple.column_facts(relid) AS f
            WHERE f.shown <> 'unknown' AND f.name <> ALL (ignore);

        -- For many rows, whether any pair differs is found by bool_or().
        WITH wanted AS (
            SELECT w.place, to_json(w.name)::text AS name,
                   CASE WHEN f.name IS NULL OR f.shown = 'unknown' THEN 'true'
                        WHEN f.key_place IS NOT NULL AND f.is_exact THEN 'false'
                        ELSE pgripple.differs_sql(f.name, f.type, f.is_exact,
                                                  f.is_packed, f.max_bytes)
                   END AS differs
            FROM unnest(columns) WITH ORDINALITY AS w (name, place)
            LEFT JOIN pgripple.column_facts(relid) AS f ON f.name = w.name)
        SELECT format(E',\n            (%s) IS NOT TRUE AS is_single', is_pair)
                   || coalesce(string_agg(format(
                       E',\n            %s AS differs_%s', differs, place),
                       '' ORDER BY place), ''),
               ARRAY[$changed$'],"changed":['$changed$,
                   format($changed$CASE WHEN %s THEN %L
            ELSE ltrim(%s, ',') END$changed$,
                   CASE WHEN is_many THEN 'bool_or(is_single)'
                        ELSE '(' || is_pair || ') IS NOT TRUE' END,
                   coalesce(string_agg(name, ',' ORDER BY place), ''),
                   coalesce(pgripple.concat_sql(array_agg(format(
                       'CASE WHEN %s THEN %L END',
                       CASE WHEN is_many
                            THEN format('bool_or(differs_%s)', place)
                            ELSE differs END, ',' || name)
                       ORDER BY place) FILTER (WHERE differs <> 'false')),
                       ''''''))]
            INTO differences, changed FROM wanted;
    END IF;

    IF is_many IS NOT TRUE THEN
        conditions := array_remove(ARRAY[
            CASE WHEN is_many IS NULL
                 THEN format('NOT EXISTS (SELECT FROM %s OFFSET 1)',
                             CASE WHEN has_old THEN 'pgripple_old'
                                  ELSE 'pgripple_new' END) END,
            '(' || is_different || ')'], NULL);
        source := concat_ws(' CROSS JOIN ',
            CASE WHEN has_old THEN 'pgripple_old AS o' END,
            CASE WHEN has_new THEN 'pgripple_new AS n' END)
            || CASE WHEN conditions = '{}' THEN ''
               ELSE E'\n    WHERE '
                    || array_to_string(conditions, E'\n        AND ') END;
    ELSE
        source := CASE WHEN is_paired THEN format($images$
        SELECT CASE WHEN o.%1$I IS NOT NULL THEN %2$s END AS old_image,
            CASE WHEN n.%1$I IS NOT NULL THEN %3$s END AS new_image%4$s
        FROM pgripple_old AS o
        FULL JOIN pgripple_new AS n ON %5$s
        WHERE %6$s$images$, key_columns[1], pgripple.concat_sql(old_parts),
            pgripple.concat_sql(new_parts), differences, is_pair, is_different)
        ELSE concat_ws(E'\n        UNION ALL',
            CASE WHEN has_old THEN format($images$
        SELECT %s AS old_image, NULL::text AS new_image
        FROM pgripple_old AS o$images$, pgripple.concat_sql(old_parts)) END,
            CASE WHEN has_new THEN format($images$
        SELECT NULL::text AS old_image, %s AS new_image
        FROM pgripple_new AS n$images$, pgripple.concat_sql(new_parts)) END)
        END;
        source := format($chunks$(
        SELECT *, sum(greatest(66, coalesce(octet_length(old_image), 0)
                           + coalesce(octet_length(new_image), 0)))
                OVER (ROWS UNBOUNDED PRECEDING) / 65536 AS chunk
        FROM (%s
        OFFSET 0) AS images) AS chunks
    GROUP BY chunk$chunks$, source);
        -- A side of a chunk may be empty, NULL: concat() leaves it out.
        old_parts := ARRAY['string_agg(old_image, '','')'];
        new_parts := ARRAY['string_agg(new_image, '','')'];
    END IF;

    change := ARRAY[quote_literal(format('{"table":%s,"op":"%s"%s',
            to_json(table_name), operation,
            CASE WHEN has_old THEN ',"old":[' ELSE ',"new":[' END))]
        || CASE WHEN has_old THEN old_parts END
        || CASE WHEN has_old AND has_new THEN $sql$'],"new":['$sql$ END
        || CASE WHEN has_new THEN new_parts END
        || changed
        || CASE WHEN is_drift THEN $sql$'],"drift":true}'$sql$
           ELSE $sql$']}'$sql$ END;
    change := array_remove(change, NULL);

    RETURN format($insert$INSERT INTO pgripple.outbox (change, bytes)
SELECT change::json, octet_length(change)
FROM (
    SELECT %s AS change
    FROM %s
    %s) AS changes$insert$, pgripple.concat_sql(change), source,
        CASE WHEN is_many IS NULL THEN 'LIMIT 1' ELSE 'OFFSET 0' END);
END
$$;
COMMENT ON FUNCTION pgripple.capture_sql(
    oid, text, text, text[], text[], boolean, boolean) IS
    'the INSERT that turns the rows of a statement into changes';


-- ---------------------------------------------------------------------------
-- Capture functions
-- ---------------------------------------------------------------------------
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


-- ---------------------------------------------------------------------------
-- Coverage
-- ---------------------------------------------------------------------------
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


-- ---------------------------------------------------------------------------
-- What people call
-- ---------------------------------------------------------------------------

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

-- Watches a table: from the commit of this on, its changes are captured.
--
--   columns    those whose values the images carry: what the graph's keys,
--              matches and conditions need
--   ignore     an UPDATE that changes nothing but these is no change
--   bulk_rows  a statement of more rows is written as one change of the whole
--              table
--
-- True if something was changed. If everything is right already nothing is
-- touched, and no lock is taken on the table.
CREATE OR REPLACE FUNCTION pgripple.watch(
    tbl regclass, columns text[], ignore text[] DEFAULT '{}',
    bulk_rows integer DEFAULT 100000)
RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    wanted pgripple.watch_list;
    former pgripple.watch_list;
    owner regrole;
    capture oid;
BEGIN
    PERFORM pgripple.check_watch(tbl, columns, ignore, bulk_rows);
    SELECT tbl, format('%I.%I', n.nspname, c.relname),
           ARRAY(SELECT u.name FROM unnest(columns) WITH ORDINALITY
                     AS u (name, place)
                 GROUP BY u.name ORDER BY min(u.place)),
           ARRAY(SELECT DISTINCT u.name FROM unnest(ignore) AS u (name)
                 ORDER BY u.name),
           bulk_rows, clock_timestamp()
        INTO wanted
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = tbl;

    SELECT * INTO former FROM pgripple.watch_list AS w WHERE w.relid = tbl;
    IF (former.table_name, former.columns, former.ignore, former.bulk_rows)
            = (wanted.table_name, wanted.columns, wanted.ignore,
               wanted.bulk_rows)
            AND pgripple.problem_of(former) IS NULL
            AND pgripple.wanted_body(former) = (
                SELECT p.prosrc FROM pg_proc AS p
                WHERE p.oid = pgripple.capture_of(former.table_name)) THEN
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
           CASE WHEN pgripple.is_enabled() THEN pgripple.problem_of(w)
                ELSE 'capture is disabled' END
    FROM pgripple.watch_list AS w ORDER BY w.table_name
$$;
COMMENT ON FUNCTION pgripple.watched() IS
    'the watched tables, and what is wrong with them';


-- ---------------------------------------------------------------------------
-- By hand
-- ---------------------------------------------------------------------------
--
-- What an application knows and no trigger sees: a value that was computed from
-- something outside of the database, a cache that was filled wrongly. It asks
-- in its own transaction, so what it asks for happens after the commit, or not
-- at all. Each function returns the transaction, for applied().
--
-- A change that was asked for names a model of the graph, which only the daemon
-- has: the table model is what `pgripple install` told of it.

-- Tells which models live on a watched table. False if that was known already.
CREATE OR REPLACE FUNCTION pgripple.set_models(tbl regclass, models text[])
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT m.name FROM pgripple.model AS m WHERE m.relid = tbl
                   EXCEPT SELECT unnest(models))
            AND NOT EXISTS (SELECT unnest(models) EXCEPT
                            SELECT m.name FROM pgripple.model AS m
                            WHERE m.relid = tbl) THEN
        RETURN false;
    END IF;
    DELETE FROM pgripple.model AS m WHERE m.relid = tbl OR m.name = ANY (models);
    INSERT INTO pgripple.model SELECT DISTINCT u.name, tbl
        FROM unnest(models) AS u (name);
    RETURN true;
END
$$;
COMMENT ON FUNCTION pgripple.set_models(regclass, text[]) IS
    'tells which models of the graph live on a table; false if it was known';

-- The table of a model, as it is watched.
CREATE OR REPLACE FUNCTION pgripple.table_of(model text)
RETURNS pgripple.watch_list LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    w pgripple.watch_list;
BEGIN
    SELECT l.* INTO w FROM pgripple.model AS m
        JOIN pgripple.watch_list AS l ON l.relid = m.relid
        WHERE m.name = model;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = format('unknown model "%s"', model),
            HINT = coalesce(
                (SELECT format('Models are %s. ',
                               string_agg(format('"%s"', m.name), ', '
                                          ORDER BY m.name))
                 FROM pgripple.model AS m HAVING count(*) > 0), '')
                || 'One that is new in the graph is known after '
                || '"pgripple install".';
    END IF;
    RETURN w;
END
$$;
COMMENT ON FUNCTION pgripple.table_of(text) IS
    'the watched table that a model lives on';

-- Which of a watched table's columns a row gives, checked.
CREATE OR REPLACE FUNCTION pgripple.given_columns(
    model text, w pgripple.watch_list, given jsonb)
RETURNS text[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    names text[];
    stray text;
BEGIN
    IF jsonb_typeof(given) IS DISTINCT FROM 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format(
                'a row of model "%s" is given as %s instead of an object', model,
                CASE jsonb_typeof(given) WHEN 'array' THEN 'an array'
                    ELSE coalesce(nullif('a ' || jsonb_typeof(given), 'a null'),
                                  'null') END),
            HINT = 'Write it like {"id": 42}.';
    ELSIF octet_length(given::text) > 65536 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('a row of model "%s" is longer than 64 kB', model);
    END IF;
    names := ARRAY(SELECT jsonb_object_keys(given));
    stray := (SELECT u.name FROM unnest(names) AS u (name)
              WHERE u.name <> ALL (w.columns) LIMIT 1);
    IF stray IS NOT NULL THEN
        RAISE undefined_column USING
            MESSAGE = format('model "%s" has no column "%s" in the graph',
                             model, stray),
            HINT = CASE w.columns WHEN '{}' THEN 'It has none at all.'
                ELSE 'Columns are ' || (
                    SELECT string_agg(format('"%s"', u.name), ', ')
                    FROM unnest(w.columns) AS u (name)) || '.' END;
    ELSIF names = '{}' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('a row of model "%s" has no columns', model),
            HINT = 'invalidate_model() is for all rows of a model.';
    END IF;
    RETURN names;
END
$$;
COMMENT ON FUNCTION pgripple.given_columns(text, pgripple.watch_list, jsonb) IS
    'the columns that are given of a row, each of them known';

-- SQL that reads a value as its column's type, if that is the server's own. The
-- input of others may run a user's code, with the rights of the outbox's owner:
-- their text stays as it is. A type modifier counts, 5 is "5.00" in a
-- numeric(10,2); but that of a string would cut it.
CREATE OR REPLACE FUNCTION pgripple.cast_sql(
    relid oid, name text, base oid, value text)
RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT quote_literal($4) || '::' || coalesce(
        (SELECT CASE WHEN a.atttypid = t.oid AND t.oid <> 'varchar'::regtype
                     THEN format_type(a.atttypid, a.atttypmod)
                     ELSE format('pg_catalog.%I', t.typname) END
         FROM pg_attribute AS a, pg_type AS t
         WHERE a.attrelid = $1 AND a.attname = $2 AND t.oid = $3
             AND t.typtype = 'b'
             AND t.typnamespace = 'pg_catalog'::regnamespace), 'text')
$$;
COMMENT ON FUNCTION pgripple.cast_sql(oid, text, oid, text) IS
    'SQL that reads a value that was given by hand';

-- What is given of a column as JSON text, spelled as capture spells it. For the
-- types that keys mostly are it is done at once; for others the generator is
-- asked, which takes a hundred times as long.
CREATE OR REPLACE FUNCTION pgripple.given_value(
    relid oid, name text, given jsonb)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    value text := given ->> name;
    type regtype := (SELECT a.atttypid FROM pg_attribute AS a
                     WHERE a.attrelid = relid AND a.attname = name
                         AND NOT a.attisdropped);
    shown text;
BEGIN
    IF type IS NULL THEN
        RETURN '{"unknown":"no such column"}';
    ELSIF value IS NULL THEN
        RETURN 'null';
    ELSIF jsonb_typeof(given -> name) IN ('object', 'array')
            AND type NOT IN ('json'::regtype, 'jsonb'::regtype) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('column "%s" is given as an %s', name,
                             jsonb_typeof(given -> name)),
            HINT = 'Give a value as text, spelled as Postgres prints it.';
    END IF;

    IF type IN ('text'::regtype, 'varchar'::regtype)
            AND octet_length(value) <= 1024 THEN
        RETURN to_json(value);
    END IF;
    CASE type
        WHEN 'int2'::regtype THEN RETURN value::int2;
        WHEN 'int4'::regtype THEN RETURN value::int4;
        WHEN 'int8'::regtype THEN RETURN value::int8;
        WHEN 'uuid'::regtype THEN RETURN to_json(value::uuid);
        ELSE
            SELECT format('SELECT %s FROM (SELECT %s AS %I) AS g',
                          pgripple.value_text_sql('g', f.name, f.type, f.shown,
                                                  f.max_bytes),
                          pgripple.cast_sql(relid, f.name, f.type, value),
                          f.name)
                INTO shown FROM pgripple.column_facts(relid) AS f
                WHERE f.name = $2;
            EXECUTE shown INTO shown;
            RETURN shown;
    END CASE;
END
$$;
COMMENT ON FUNCTION pgripple.given_value(oid, text, jsonb) IS
    'the JSON text of a value that was given by hand';

-- The image of a row as far as it is given.
CREATE OR REPLACE FUNCTION pgripple.given_image(
    relid oid, columns text[], given jsonb)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'postgres' SET TimeZone = 'UTC' SET bytea_output = 'hex'
SET extra_float_digits = 1 SET lc_monetary = 'C'
SET quote_all_identifiers = off AS $$
BEGIN
    RETURN '{' || (SELECT string_agg(
        to_json(u.name) || ':' || pgripple.given_value(relid, u.name, given),
        ',') FROM unnest(columns) AS u (name)) || '}';
END
$$;
COMMENT ON FUNCTION pgripple.given_image(oid, text[], jsonb) IS
    'the image of a row that was given by hand';

-- Past the bound of the outbox a mark of the table stands for this as well.
CREATE OR REPLACE FUNCTION pgripple.write_by_hand(
    model text, w pgripple.watch_list, what text)
RETURNS xid8 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pgripple.mark_instead(w.table_name) THEN
        PERFORM pgripple.write_change(format(
            '{"op":"invalidate","model":%s,%s}', to_json(model), what)::json);
    END IF;
    RETURN pg_current_xact_id();
END
$$;
COMMENT ON FUNCTION pgripple.write_by_hand(text, pgripple.watch_list, text) IS
    'writes a change of a model that was asked for by hand';

-- A row of a model: invalidate('team', '{"id": 42}'). The graph is followed as
-- if the row had changed. Columns that are not given are looked up by those that
-- are, when the daemon comes to it.
CREATE OR REPLACE FUNCTION pgripple.invalidate(model text, given jsonb)
RETURNS xid8 LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    w pgripple.watch_list := pgripple.table_of(model);
    columns text[] := pgripple.given_columns(model, w, given);
BEGIN
    RETURN pgripple.write_by_hand(model, w, format('"new":[%s]',
        pgripple.given_image(w.relid, columns, given)));
END
$$;
COMMENT ON FUNCTION pgripple.invalidate(text, jsonb) IS
    'invalidates a row of a model and what depends on it, after the commit';

CREATE OR REPLACE FUNCTION pgripple.invalidate_model(model text)
RETURNS xid8 LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pgripple.write_by_hand(model, pgripple.table_of(model),
                                  '"whole":"by hand"');
END
$$;
COMMENT ON FUNCTION pgripple.invalidate_model(text) IS
    'invalidates a whole model and what depends on it, after the commit';

CREATE OR REPLACE FUNCTION pgripple.invalidate_all()
RETURNS xid8 LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pgripple.invalidate_model(m.name) FROM pgripple.model AS m
        JOIN pgripple.watch_list AS w ON w.relid = m.relid ORDER BY m.name;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = 'no model is known',
            HINT = 'Run "pgripple install".';
    END IF;
    RETURN pg_current_xact_id();
END
$$;
COMMENT ON FUNCTION pgripple.invalidate_all() IS
    'invalidates every model, after the commit';


-- ---------------------------------------------------------------------------
-- What older versions had
-- ---------------------------------------------------------------------------

-- Its functions go. But those that a capture function of before still calls
-- stay, for its writers would fail: the next run of this file takes them away,
-- when watch() has replaced it.
DO $$
DECLARE
    former text;
BEGIN
    FOREACH former IN ARRAY ARRAY[
            'signature(oid)', 'capture_settings()',
            'image_sql(text,oid,text[])',
            'images_sql(text,boolean)',
            'differs_sql(text,boolean,boolean,integer)',
            'wanted_triggers()', 'trigger_states(oid,oid)',
            'mend_triggers(regclass,oid)',
            'wanted_triggers(boolean)', 'trigger_states(oid[],oid,boolean)',
            'mend_triggers(regclass,oid,boolean)'] LOOP
        IF NOT EXISTS (
                SELECT FROM pg_catalog.pg_proc AS p
                WHERE p.oid IN (SELECT t.tgfoid FROM pg_catalog.pg_trigger AS t)
                    AND pg_catalog.strpos(p.prosrc, pg_catalog.format(
                        'pgripple.%s(',
                        pg_catalog.split_part(former, '(', 1))) > 0) THEN
            EXECUTE pg_catalog.format('DROP FUNCTION IF EXISTS pgripple.%s',
                                      former);
        END IF;
    END LOOP;
END
$$;


-- ---------------------------------------------------------------------------
-- Owner and rights
-- ---------------------------------------------------------------------------

-- Gives everything in the schema to the schema's owner. When another role, such
-- as a superuser, upgrades, what is new belongs to that role: the functions
-- that run with the owner's rights could not use it, and every write to a
-- watched table would fail.
CREATE OR REPLACE FUNCTION pgripple.own_everything() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    own pg_namespace;
    object text;
BEGIN
    SELECT n.* INTO own FROM pg_namespace AS n
        JOIN pg_class AS c ON c.relnamespace = n.oid
        WHERE c.oid = 'pgripple.outbox'::regclass;
    FOR object IN
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END
               || c.oid::regclass
        FROM pg_class AS c
        WHERE c.relnamespace = own.oid AND c.relowner <> own.nspowner
            AND c.relkind IN ('r', 'S')
            -- A column's sequence follows its table.
            AND NOT EXISTS (SELECT FROM pg_depend AS d
                            WHERE d.classid = 'pg_class'::regclass
                                AND d.objid = c.oid AND d.refobjsubid > 0)
        UNION ALL
        SELECT 'ROUTINE ' || p.oid::regprocedure FROM pg_proc AS p
        WHERE p.pronamespace = own.oid AND p.proowner <> own.nspowner
    LOOP
        EXECUTE format('ALTER %s OWNER TO %s', object, own.nspowner::regrole);
    END LOOP;
END
$$;
COMMENT ON FUNCTION pgripple.own_everything() IS
    'gives everything in the schema to the schema''s owner';

DO $$BEGIN
    PERFORM pgripple.own_everything();
END$$;

-- A forged change could invalidate anything, and a read one shows data.
REVOKE ALL ON ALL TABLES IN SCHEMA pgripple FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA pgripple FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA pgripple FROM PUBLIC;

COMMIT;
