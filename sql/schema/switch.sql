-- The switch.
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
