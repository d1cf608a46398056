-- Server: which one this is, and whether it may have lost commits.
--
-- A crash takes back the latest commits of writers with synchronous_commit =
-- off; a standby that is promoted, or a backup that is restored, may lack any
-- number of commits. What a reader cached of them is then wrong for ever, for
-- no change will tell. Nothing that such a server kept can tell either, since
-- it has gone back as well, and no transaction that the daemon remembers can:
-- a reader may have seen a commit that the daemon never came to see.
--
-- So there is a witness that does not go back but vanishes: a row in an
-- unlogged table. Postgres empties those whenever it recovers (after a crash,
-- on a standby, in a restored backup) and at no other time. The row names the
-- server, too, because pg_dump and pg_upgrade carry it over.

CREATE TABLE IF NOT EXISTS pgripple.server (
    system_identifier bigint NOT NULL,
    timeline integer NOT NULL,
    place oid NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pgripple.server IS
    'which server this was when the daemon last looked';
COMMENT ON COLUMN pgripple.server.place IS
    'the oid of the table "witness": another one in a restored dump';

CREATE UNLOGGED TABLE IF NOT EXISTS pgripple.witness (
    system_identifier bigint NOT NULL,
    timeline integer NOT NULL,
    place oid NOT NULL
);
COMMENT ON TABLE pgripple.witness IS
    'the same; empty since the server recovered from anything';

CREATE OR REPLACE FUNCTION pgripple.present_server() RETURNS pgripple.witness
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    -- Of the WAL that is written now: the control file is late.
    SELECT s.system_identifier,
        ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
        )::bit(32)::integer, 'pgripple.witness'::regclass::oid
    FROM pg_control_system() AS s
$$;
COMMENT ON FUNCTION pgripple.present_server() IS 'which server this is';

-- To be called with every connection. The verdict is "known" as long as nothing
-- happened, and "first" when nobody has ever asked; else it says what happened,
-- and, unless that is among the ignored, every watched table is touched as a
-- whole. That and the new witness are one transaction: where a crash takes back
-- the one, it takes the other.
CREATE OR REPLACE FUNCTION pgripple.recognise_server(
    ignored text[], OUT verdict text, OUT former text, OUT present text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_is pgripple.witness := pgripple.present_server();
    was pgripple.server;
BEGIN
    present := format('system %s, timeline %s', now_is.system_identifier,
                      now_is.timeline);
    verdict := 'known';
    IF EXISTS (SELECT FROM pgripple.witness AS w WHERE w = now_is) THEN
        RETURN;
    END IF;
    -- Else a crash could take back that anybody had ever asked.
    PERFORM set_config('synchronous_commit', 'local', true);
    LOCK TABLE pgripple.server IN EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM pgripple.witness AS w WHERE w = now_is) THEN
        RETURN;     -- another daemon has just done it
    END IF;
    SELECT s.* INTO was FROM pgripple.server AS s;
    verdict := CASE
        WHEN was.since IS NULL THEN 'first'
        WHEN was.system_identifier <> now_is.system_identifier THEN 'system'
        WHEN was.timeline <> now_is.timeline THEN 'timeline'
        WHEN was.place <> now_is.place THEN 'copy'
        ELSE 'crash' END;
    former := format('system %s, timeline %s', was.system_identifier,
                     was.timeline);
    IF verdict <> 'first' AND verdict <> ALL (ignored) THEN
        PERFORM pgripple.write_whole(w.table_name, 'update', verdict, NULL)
            FROM pgripple.watch_list AS w ORDER BY w.table_name;
    END IF;
    DELETE FROM pgripple.server;
    INSERT INTO pgripple.server SELECT now_is.*;
    DELETE FROM pgripple.witness;
    INSERT INTO pgripple.witness SELECT now_is.*;
END
$$;
COMMENT ON FUNCTION pgripple.recognise_server(text[]) IS
    'touches every watched table if the server may have lost commits';
