-- The bound of the outbox.
--
-- Without a daemon (a weekend, a restored copy of the database) the outbox
-- would fill the disk. Past outbox_limit() rows a writer relies on a mark of
-- its table, and leaves no images.
--
-- Counting is too dear for a writer. The number of rows is taken to be the
-- number of ids drawn since outbox_low, which the daemon sets to the id before
-- the oldest row: too high by the transactions that were rolled back.

CREATE SEQUENCE IF NOT EXISTS pgripple.outbox_low MINVALUE 0 START 0;
COMMENT ON SEQUENCE pgripple.outbox_low IS
    'ids up to this one are taken to be gone from the outbox';

-- An outbox that somebody dropped is made anew by this file. Its ids go on where
-- the old ones ended, or a mark of before could be taken for one of its rows.
DO $$BEGIN
    PERFORM pg_catalog.setval('pgripple.outbox_id_seq', former.id)
        FROM (SELECT greatest(
                  (SELECT pg_catalog.max(m.id) FROM pgripple.mark AS m),
                  (SELECT c.last_value FROM pgripple.mark_claimed AS c),
                  (SELECT l.last_value FROM pgripple.outbox_low AS l)) AS id
             ) AS former, pgripple.outbox_id_seq AS present
        WHERE NOT present.is_called AND former.id > 0;
END$$;

-- The limit is the function mark_instead(), like the mode of the doorbell. It
-- is one expression, which the planner puts into that of the capture function:
-- far cheaper than a call. pg_sequence_last_value() is what the view
-- pg_sequences uses; NULL means that no id was drawn yet.
CREATE OR REPLACE FUNCTION pgripple.outbox_limit(max_rows bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF max_rows IS NULL OR max_rows < 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('outbox limit "%s" is not a positive number',
                             max_rows);
    END IF;
    EXECUTE format($function$
CREATE OR REPLACE FUNCTION pgripple.is_outbox_full()
RETURNS boolean LANGUAGE sql VOLATILE AS $body$
    -- outbox_limit: %1$s
    SELECT pg_catalog.pg_sequence_last_value('pgripple.outbox_id_seq')
        - coalesce(pg_catalog.pg_sequence_last_value('pgripple.outbox_low'), 0)
        > %1$s
$body$
        $function$, max_rows);
    REVOKE ALL ON FUNCTION pgripple.is_outbox_full() FROM PUBLIC;
    COMMENT ON FUNCTION pgripple.is_outbox_full() IS
        'whether marks stand for changes; made by outbox_limit(bigint)';
    RETURN max_rows;
END
$$;
COMMENT ON FUNCTION pgripple.outbox_limit(bigint) IS
    'sets how many rows the outbox may have before marks stand for changes';

CREATE OR REPLACE FUNCTION pgripple.outbox_limit() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT substring(prosrc FROM '-- outbox_limit: (\d+)')::bigint FROM pg_proc
    WHERE oid = coalesce(
        to_regprocedure('pgripple.is_outbox_full()'),
        to_regprocedure('pgripple.mark_instead(text)'))  -- schema 2
$$;
COMMENT ON FUNCTION pgripple.outbox_limit() IS 'the present limit, in rows';

DO $$BEGIN
    PERFORM pgripple.outbox_limit(coalesce(pgripple.outbox_limit(), 1000000));
END$$;

CREATE OR REPLACE FUNCTION pgripple.mark_instead(table_name text)
RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN pgripple.is_outbox_full()
                THEN pgripple.rely_on_mark($1, 'outbox limit')
                ELSE false END
$$;
COMMENT ON FUNCTION pgripple.mark_instead(text) IS
    'true if a mark stands for a change';

-- The daemon calls this about once a second when it has acknowledged something.
-- above is its low-water mark, which keeps it from reading dead rows. Returns
-- the number of rows that the outbox is now taken to have.
CREATE OR REPLACE FUNCTION pgripple.measure_outbox(above bigint DEFAULT 0)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    newest bigint;
    low bigint;
BEGIN
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO newest
        FROM pgripple.outbox_id_seq;
    low := coalesce((SELECT o.id - 1 FROM pgripple.outbox AS o
                     WHERE o.id > above ORDER BY o.id LIMIT 1), newest);
    IF low <> (SELECT last_value FROM pgripple.outbox_low) THEN
        PERFORM setval('pgripple.outbox_low', low);
    END IF;
    RETURN newest - low;
END
$$;
COMMENT ON FUNCTION pgripple.measure_outbox(bigint) IS
    'tells writers how full the outbox is, and returns it';
