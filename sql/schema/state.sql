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
COMMENT ON TABLE pgripple.state IS
    'the last acknowledged batch of each target';
COMMENT ON COLUMN pgripple.state.mark_key IS 'the key in Redis';
COMMENT ON COLUMN pgripple.state.owner IS
    'the daemon that claimed it: nobody else may acknowledge';
COMMENT ON COLUMN pgripple.state.number IS
    'the name of the batch; NULL: there was none';
COMMENT ON COLUMN pgripple.state.run_id IS 'of the server that holds it';
COMMENT ON COLUMN pgripple.state.replication_id IS
    'of that server''s history';

-- Written with every batch: room for new versions on the same page.
ALTER TABLE pgripple.state SET (
    fillfactor = 10,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000
);

-- To be called on the session that holds the lock.
CREATE OR REPLACE FUNCTION pgripple.claim_state(owner text, targets text[])
RETURNS SETOF pgripple.state
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO pgripple.state AS s (target, owner)
        SELECT DISTINCT t, $1 FROM unnest($2) AS t
        ON CONFLICT (target) DO UPDATE SET owner = excluded.owner
        RETURNING s.*
$$;
COMMENT ON FUNCTION pgripple.claim_state(text, text[]) IS
    'makes a daemon the owner of the state of its targets, and tells it';

-- An error takes back whatever the same transaction acknowledges.
CREATE OR REPLACE FUNCTION pgripple.set_state(owner text, targets text[],
    numbers text[], run_ids text[], replication_ids text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_set bigint;
BEGIN
    UPDATE pgripple.state AS s SET number = new.number, run_id = new.run_id,
        replication_id = new.replication_id
        FROM unnest($2, $3, $4, $5)
            AS new (target, number, run_id, replication_id)
        WHERE s.target = new.target AND s.owner = $1;
    GET DIAGNOSTICS n_set = ROW_COUNT;
    IF n_set < cardinality(targets) THEN
        RAISE EXCEPTION 'another daemon has claimed the state'
            USING ERRCODE = 'RP001';
    END IF;
END
$$;
COMMENT ON FUNCTION pgripple.set_state(text, text[], text[], text[], text[]) IS
    'notes what was acknowledged, for the owner alone';
