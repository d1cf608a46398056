-- roles.sql: the roles of pgripple, and what each may do.
--
-- Run it as a superuser, in the database, after sql/pgripple.sql (or pgripple
-- install), and again after every upgrade: new functions need their grants.
--
--     psql -v ON_ERROR_STOP=1 -f sql/roles.sql
--
-- Names are plain text: edit them. Everything may be run any number of times.
--
--   pgripple_owner   owns the schema. Nobody logs in as it. The capture
--                    functions run with its rights, and it has none outside of
--                    the schema.
--   pgripple_daemon  the daemon. It can read and delete changes, and can forge
--                    none.
--   pgripple_invalidate
--                    who may ask for invalidations by hand. Nobody logs in as
--                    it: GRANT pgripple_invalidate TO app;
--   pgripple_bulk    who may switch capture off for a transaction, for bulk
--                    loads. Nobody logs in as it, and nobody is a member yet.
--   applications     need no right at all: their writes are captured by
--                    triggers. Do not grant them any table of this schema.

BEGIN;

DO $$
BEGIN
    CREATE ROLE pgripple_owner NOLOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END
$$;

-- Give it a password, or a line in pg_hba.conf.
DO $$
BEGIN
    CREATE ROLE pgripple_daemon LOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END
$$;

DO $$
BEGIN
    CREATE ROLE pgripple_invalidate NOLOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END
$$;

DO $$
BEGIN
    CREATE ROLE pgripple_bulk NOLOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END
$$;


-- The owner ------------------------------------------------------------------

-- The first time this locks the outbox, for as long as it takes, against
-- everybody who writes to a watched table.
ALTER SCHEMA pgripple OWNER TO pgripple_owner;
DO $$BEGIN PERFORM pgripple.own_everything(); END$$;

-- Who runs `pgripple install` must own the watched tables and be a member of
-- the owner, or be a superuser:
--
--     GRANT pgripple_owner TO app_migrator;


-- The daemon -----------------------------------------------------------------

-- Two sessions and a standby's, with room for `pgripple check` and the like.
ALTER ROLE pgripple_daemon CONNECTION LIMIT 20;

REVOKE ALL ON ALL TABLES IN SCHEMA pgripple FROM pgripple_daemon;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA pgripple FROM pgripple_daemon;
REVOKE ALL ON ALL ROUTINES IN SCHEMA pgripple FROM pgripple_daemon;

GRANT USAGE ON SCHEMA pgripple TO pgripple_daemon;
GRANT SELECT, DELETE ON pgripple.outbox TO pgripple_daemon;
GRANT SELECT ON SEQUENCE pgripple.outbox_id_seq TO pgripple_daemon;
GRANT SELECT ON pgripple.model TO pgripple_daemon;
GRANT SELECT, INSERT, DELETE ON pgripple.rejected TO pgripple_daemon;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgripple.task TO pgripple_daemon;
GRANT SELECT, INSERT, UPDATE ON pgripple.state TO pgripple_daemon;
GRANT SELECT, INSERT, DELETE ON pgripple.progress TO pgripple_daemon;
GRANT EXECUTE ON ROUTINE
    pgripple.version(),
    pgripple.schema_version(),
    pgripple.notify_mode(),
    pgripple.outbox_limit(),
    pgripple.is_enabled(),
    pgripple.watched(),
    pgripple.watch_differences(regclass, text[], text[], integer),
    pgripple.model_differences(regclass, text[]),
    pgripple.check_coverage(),
    pgripple.channel(),
    pgripple.lock_class(),
    pgripple.column_facts(oid),
    pgripple.value_sql(text, text, oid, text, integer),
    pgripple.fetch_changes(bigint, bigint, bigint, boolean),
    pgripple.acknowledge(bigint[]),
    pgripple.claim_marks(bigint[]),
    pgripple.claim_state(text, text[]),
    pgripple.set_state(text, text[], text[], text[], text[]),
    pgripple.measure_outbox(bigint),
    pgripple.ping(text),
    pgripple.recognise_server(text[]),
    pgripple.applied(xid8),
    pgripple.wait_applied(xid8, interval, boolean),
    pgripple.reject_task(bigint, text, bigint),
    pgripple.retry_rejected(bigint),
    pgripple.drop_rejected(bigint)
    TO pgripple_daemon;
-- It can remove any key from Redis anyway.
GRANT pgripple_invalidate TO pgripple_daemon;

-- Where a relation needs a look-up, the daemon reads the table on its right
-- (`pgripple check` says which): the columns of the graph are enough. Row
-- level security on such a table must let the daemon see all rows.
--
--     GRANT USAGE ON SCHEMA app TO pgripple_daemon;
--     GRANT SELECT (id, tournament_id) ON app.team TO pgripple_daemon;
--
-- Where a rule says `repeat_after: replicas`, it must see how far these are:
--
--     GRANT pg_read_all_stats TO pgripple_daemon;


-- Applications ---------------------------------------------------------------

-- Those that ask by hand, and may wait until it is done. What they can ask for is
-- what a write to a watched table does.
REVOKE ALL ON ALL TABLES IN SCHEMA pgripple FROM pgripple_invalidate;
REVOKE ALL ON ALL ROUTINES IN SCHEMA pgripple FROM pgripple_invalidate;
GRANT USAGE ON SCHEMA pgripple TO pgripple_invalidate;
GRANT EXECUTE ON ROUTINE
    pgripple.invalidate(text, jsonb),
    pgripple.invalidate_model(text),
    pgripple.invalidate_all(),
    pgripple.applied(xid8),
    pgripple.wait_applied(xid8, interval, boolean)
    TO pgripple_invalidate;

-- Those that load in bulk, and then ask for the whole model.
REVOKE ALL ON ALL TABLES IN SCHEMA pgripple FROM pgripple_bulk;
REVOKE ALL ON ALL ROUTINES IN SCHEMA pgripple FROM pgripple_bulk;
GRANT USAGE ON SCHEMA pgripple TO pgripple_bulk;
GRANT EXECUTE ON FUNCTION pgripple.capture_off() TO pgripple_bulk;
GRANT pgripple_invalidate TO pgripple_bulk;

-- Only for one that waits until its own writes have reached Redis. Neither shows
-- or changes data.
--
--     GRANT USAGE ON SCHEMA pgripple TO app;
--     GRANT EXECUTE ON FUNCTION pgripple.applied(xid8) TO app;
--     GRANT EXECUTE ON PROCEDURE
--         pgripple.wait_applied(xid8, interval, boolean) TO app;

COMMIT;
