-- Delivery: the daemon takes the oldest changes, and says which may go.
--
-- Functions, because a session keeps the plans of a function: planning the
-- statements of a single change takes longer than running them. The settings are
-- for the planner. It must walk along the index even if it has no statistics, or
-- those of an empty table: else it reads and sorts the whole outbox for each
-- batch.

-- The oldest changes above an id, by id: at most max_rows of them, each as long
-- as the bytes before it leave room. So there is always the first, and the last
-- may go past the bound.
--
-- A time that no bigint of microseconds holds, "infinity" first of all, can only
-- have been written by hand; it must not block what is behind it. The time of the
-- commit is asked for only where it is kept, for elsewhere the question is an
-- error; so it is for the transaction 0, which can only have been written by hand.
--
-- lsn is where the WAL ends, past the commits of all rows. Whatever the snapshot
-- sees had its commit in the WAL before; not yet written to it perhaps
-- (synchronous_commit = off), so that pg_current_wal_lsn() would be too early.
CREATE OR REPLACE FUNCTION pgripple.fetch_changes(
    above bigint, max_rows bigint, max_bytes bigint, with_lsn boolean)
RETURNS TABLE (id bigint, xid xid8, at_us bigint, committed_us bigint,
               change json, lsn pg_lsn)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    last bigint;
    n_bytes bigint;
    knows_commits boolean := current_setting('track_commit_timestamp') = 'on';
BEGIN
    SELECT max(oldest.id), sum(oldest.bytes) INTO last, n_bytes
        FROM (SELECT o.id, o.bytes FROM pgripple.outbox AS o
              WHERE o.id > above ORDER BY o.id LIMIT max_rows) AS oldest;
    IF n_bytes > max_bytes THEN
        last := (SELECT max(summed.id)
            FROM (SELECT oldest.id, sum(oldest.bytes) OVER (ORDER BY oldest.id)
                      - oldest.bytes AS before
                  FROM (SELECT o.id, o.bytes FROM pgripple.outbox AS o
                        WHERE o.id > above ORDER BY o.id LIMIT max_rows)
                      AS oldest) AS summed
            WHERE summed.before < max_bytes OR summed.before = 0);
    END IF;
    RETURN QUERY
        SELECT o.id, o.xid,
               (date_part('epoch', least(greatest(o.at, '1970-01-01'),
                                         '9999-12-31')) * 1000000)::bigint,
               CASE WHEN knows_commits THEN
                   (date_part('epoch', pg_xact_commit_timestamp(
                       nullif(o.xid::xid, '0'))) * 1000000)::bigint END,
               o.change, CASE WHEN with_lsn THEN pg_current_wal_insert_lsn() END
        FROM pgripple.outbox AS o
        WHERE o.id > above AND o.id <= last ORDER BY o.id;
END
$$;
COMMENT ON FUNCTION pgripple.fetch_changes(bigint, bigint, bigint, boolean) IS
    'the oldest changes above an id, in rows and bytes';

-- They are named one by one, for what becomes visible meanwhile may lie between
-- them.
CREATE OR REPLACE FUNCTION pgripple.acknowledge(ids bigint[]) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    n bigint;
BEGIN
    DELETE FROM pgripple.outbox AS o WHERE o.id = ANY (ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;
COMMENT ON FUNCTION pgripple.acknowledge(bigint[]) IS
    'lets go of what was applied; returns how many changes that were';
