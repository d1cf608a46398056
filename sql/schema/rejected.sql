-- Rejected changes.

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
-- becomes a task again, and a canary goes with it: whoever finds one in the
-- outbox looks at the tasks, too. Returns how many.
CREATE OR REPLACE FUNCTION pgripple.retry_rejected(id bigint DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_rows bigint;
    n_tasks bigint;
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
    SELECT count(*), count(task) INTO n_rows, n_tasks FROM taken;
    IF n_tasks > 0 THEN
        PERFORM pgripple.ping('pgripple:retry');
    ELSIF n_rows > 0 THEN
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
