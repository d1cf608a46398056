"""The state in Postgres: what a batch costs, and who may write it."""

import psycopg2
import pytest

from harness.postgres import run

pytestmark = pytest.mark.sql

SET_STATE = ("SELECT pgripple.set_state(%s, '{one}', ARRAY[%s], '{run}',"
             " '{replication}')")


def claim(session, owner):
    return run(session, "SELECT number FROM pgripple.claim_state(%s, '{one}')",
               owner)[0][0]


def test_an_old_snapshot_does_not_make_batches_dearer(installed):
    """Pages that one more batch looks at, after thousands that no vacuum may
    take away."""
    def n_pages():
        plan = run(writer, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
                   + SET_STATE, "me", "x")[0][0][0]["Plan"]
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    writer = installed.connect()
    claim(writer, "me")
    held = installed.connect(autocommit=False)
    run(held, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    run(held, "SELECT FROM pgripple.outbox")
    run(writer, SET_STATE, "me", "first")
    before = n_pages()
    run(writer, "DO $$ BEGIN FOR n IN 1..4000 LOOP PERFORM pgripple.set_state("
        "'me', '{one}', ARRAY['batch ' || n], '{run}', '{replication}');"
        " COMMIT; END LOOP; END $$")
    after = n_pages()
    assert after <= before + 10, f"{before} pages, then {after}"
    assert claim(writer, "me") == "x"


def test_a_claim_sees_what_was_acknowledged_while_it_waited(installed):
    one, two = installed.connect(autocommit=False), installed.connect()
    claim(one, "one")
    one.commit()
    run(one, SET_STATE, "one", "last")
    with two.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            claim(two, "two")
    one.commit()
    assert claim(two, "two") == "last"
    with pytest.raises(psycopg2.Error) as refused:
        run(one, SET_STATE, "one", "late")
    assert refused.value.pgcode == "RP001"
    one.rollback()
    assert claim(two, "two") == "last"
