-- The doorbell.

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
