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
--   state, claim_state(), set_state()    how far each Redis has come
--   version(), channel(), ring(), ...    small things, and the doorbell
--   mark, claim_marks(), ...             a change that stands for many
--   outbox_limit(), mark_instead()       the bound of the outbox
--   fetch_changes(), acknowledge()       what the daemon takes, and lets go of
--   disable(), enable(), capturing()     the switch
--   capture_off()                        the switch of one transaction
--   applied(), wait_applied()            for readers of their own writes
--   retry_rejected(), drop_rejected()    second chances
--   server, witness, recognise_server()  which server this is
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

\ir schema/tables.sql
\ir schema/state.sql
\ir schema/versions.sql
\ir schema/doorbell.sql
\ir schema/marks.sql
\ir schema/outbox_limit.sql
\ir schema/delivery.sql
\ir schema/switch.sql
\ir schema/applied.sql
\ir schema/rejected.sql
\ir schema/server.sql
\ir schema/generator.sql
\ir schema/capture.sql
\ir schema/coverage.sql
\ir schema/watch.sql
\ir schema/by_hand.sql
\ir schema/former.sql
\ir schema/rights.sql

COMMIT;
