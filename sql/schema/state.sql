-- State: how far each Redis has come.
--
-- Behind the operations of each batch the daemon sets a key in Redis, the mark,
-- to the batch's name, and the transaction that acknowledges the batch writes
-- the same name here. A Redis that has gone back to an older state holds an
-- older mark, which tells what it has lost.
--
-- Whoever works claims the rows first, on the session that holds the lock of
-- the active daemon. A daemon that lost that lock without knowing it can then
-- acknowledge nothing any more: see docs/protocols.md.

CREATE TABLE IF NOT EXISTS pgripple.state (
    target text PRIMARY KEY,
    mark_key text NOT NULL DEFAULT 'pgripple:mark:' || gen_random_uuid(),
    owner text NOT NULL,
    number text,
    run_id text,
    replication_id text
);
-- Of version 5, which wrote to it with every batch.
ALTER TABLE pgripple.state RESET (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
COMMENT ON TABLE pgripple.state IS
    'who works on each target, and its last acknowledged batch when claimed';
COMMENT ON COLUMN pgripple.state.mark_key IS 'the key in Redis';
COMMENT ON COLUMN pgripple.state.owner IS
    'the daemon that claimed it: nobody else may acknowledge';
COMMENT ON COLUMN pgripple.state.number IS
    'the name of the batch; NULL: there was none';
COMMENT ON COLUMN pgripple.state.run_id IS 'of the server that holds it';
COMMENT ON COLUMN pgripple.state.replication_id IS
    'of that server''s history';

-- Where that stands since the last claim: of each target one row, which is never
-- updated. A row that is updated with every batch leaves a dead version each
-- time, and while somebody holds an old snapshot, a backup perhaps, none of them
-- may go: whoever looks for the row walks over all of them, after 40,000 batches
-- for longer than everything else that acknowledging takes. The latest version
-- is found at the end of this index, whatever is dead before it.
CREATE TABLE IF NOT EXISTS pgripple.progress (
    target text NOT NULL,
    version bigint NOT NULL,
    number text,
    run_id text,
    replication_id text,
    PRIMARY KEY (target, version)
);
COMMENT ON TABLE pgripple.progress IS
    'the last acknowledged batch of each target since it was claimed';
COMMENT ON COLUMN pgripple.progress.version IS
    'one more with every batch: the highest counts';
COMMENT ON COLUMN pgripple.progress.number IS 'as in the table state';
COMMENT ON COLUMN pgripple.progress.run_id IS 'as in the table state';
COMMENT ON COLUMN pgripple.progress.replication_id IS 'as in the table state';

ALTER TABLE pgripple.progress SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000
);

-- To be called on the session that holds the lock. The first statement waits
-- for whoever is about to acknowledge, so that the second one sees what that
-- was.
CREATE OR REPLACE FUNCTION pgripple.claim_state(owner text, targets text[])
RETURNS SETOF pgripple.state
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO pgripple.state AS s (target, owner)
        SELECT DISTINCT t, $1 FROM unnest($2) AS t
        ON CONFLICT (target) DO UPDATE SET owner = excluded.owner;
    UPDATE pgripple.state AS s SET number = p.number, run_id = p.run_id,
        replication_id = p.replication_id
        FROM pgripple.progress AS p
        WHERE s.target = ANY ($2) AND p.target = s.target AND p.version = (
            SELECT max(q.version) FROM pgripple.progress AS q
            WHERE q.target = s.target);
    RETURN QUERY SELECT s.* FROM pgripple.state AS s WHERE s.target = ANY ($2);
END
$$;
COMMENT ON FUNCTION pgripple.claim_state(text, text[]) IS
    'makes a daemon the owner of the state of its targets, and tells it';

-- An error takes back whatever the same transaction acknowledges.
CREATE OR REPLACE FUNCTION pgripple.set_state(owner text, targets text[],
    numbers text[], run_ids text[], replication_ids text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    last bigint;
BEGIN
    FOR i IN 1..cardinality(targets) LOOP
        PERFORM FROM pgripple.state AS s
            WHERE s.target = targets[i] AND s.owner = $1 FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'another daemon has claimed the state'
                USING ERRCODE = 'RP001';
        END IF;
        last := (SELECT p.version FROM pgripple.progress AS p
                 WHERE p.target = targets[i] ORDER BY p.version DESC LIMIT 1);
        DELETE FROM pgripple.progress AS p
            WHERE p.target = targets[i] AND p.version = last;
        INSERT INTO pgripple.progress VALUES (targets[i], coalesce(last, 0) + 1,
            numbers[i], run_ids[i], replication_ids[i]);
    END LOOP;
END
$$;
COMMENT ON FUNCTION pgripple.set_state(text, text[], text[], text[], text[]) IS
    'notes what was acknowledged, for the owner alone';
