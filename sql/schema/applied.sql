-- What has been applied.

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
