-- Marks.
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
