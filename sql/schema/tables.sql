-- Tables.

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
COMMENT ON COLUMN pgripple.task.created IS
    'when the time was last counted after which it is due';
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
CREATE INDEX IF NOT EXISTS task_created ON pgripple.task (created);
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
    ADD COLUMN IF NOT EXISTS body text,
    ADD COLUMN IF NOT EXISTS source text;
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
COMMENT ON COLUMN pgripple.watch_list.source IS
    'a hash of what watch() made the capture function from';
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
