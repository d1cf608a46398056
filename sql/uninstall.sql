-- uninstall.sql: takes away everything that pgripple made in a database.
--
--     psql -v ON_ERROR_STOP=1 -f sql/uninstall.sql
--
-- One transaction. Changes that still wait in the outbox are lost: stop the
-- writers or the caches' readers first if that matters. Dropping a trigger
-- takes ACCESS EXCLUSIVE on its table, for all watched tables at once until
-- COMMIT; where that is too long, call pgripple.unwatch() for each table
-- beforehand.

BEGIN;

-- The triggers, by the functions that they call, so that none is forgotten
-- whatever state the list of watched tables is in.
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT g.tgname, g.tgrelid::regclass AS tbl
        FROM pg_catalog.pg_trigger AS g
        JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
        JOIN pg_catalog.pg_class AS c ON c.relnamespace = p.pronamespace
        WHERE c.oid = pg_catalog.to_regclass('pgripple.outbox')
            AND NOT g.tgisinternal AND g.tgparentid = 0
        ORDER BY g.tgrelid, g.tgname
    LOOP
        EXECUTE pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tbl);
    END LOOP;
END
$$;

-- Tables, functions and what else is in the schema; silently, for the list of
-- it says nothing to anybody.
SET LOCAL client_min_messages = warning;
DO $$
BEGIN
    DROP SCHEMA pgripple CASCADE;
EXCEPTION WHEN invalid_schema_name THEN
    NULL;   -- nothing was installed
END
$$;

COMMIT;
