"""The SQL of delivery: doorbell, marks, switch, applied(), rejected rows."""

import json
import random
import threading
import time

import psycopg2
import pytest

from harness.outbox import take, take_one, watch
from harness.postgres import run
from harness.wait import wait_until

pytestmark = pytest.mark.sql

FIXTURES = [f"tests/system/fixtures/pgripple-schema-{number}.sql"
            for number in (1, 2, 4, 5, 6)]

TABLES = """
    CREATE TABLE item (id int PRIMARY KEY, name text);
    CREATE TABLE other (id int PRIMARY KEY);
    INSERT INTO item VALUES (1, 'a'), (2, 'b')"""


@pytest.fixture
def items(installed):
    """Two watched tables and an empty outbox."""
    installed.execute(TABLES)
    watch(installed, "item", "id", "name")
    watch(installed, "other", "id")
    return installed


def wholes(database):
    """The outbox's changes of whole tables, as (table, reason)."""
    return [(change["table"], change["whole"]) for change in
            map(json.loads, database.changes()) if "whole" in change]


def in_thread(connection, sql):
    """Run SQL in a thread of its own, which is returned."""
    thread = threading.Thread(target=run, args=(connection, sql))
    thread.start()
    return thread


def wait_blocked(database, connection):
    wait_until(lambda: database.value(
        "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s",
        connection.info.backend_pid), what="a session to wait for a lock")


# ---- the doorbell ----

class Ears:
    """Counts notifications of the doorbell."""

    def __init__(self, database):
        self.connection = database.connect()
        run(self.connection, 'LISTEN "{}"'.format(
            database.value("SELECT pgripple.channel()")))

    def count(self):
        run(self.connection, "SELECT 1")
        found = len(self.connection.notifies)
        self.connection.notifies.clear()
        return found


def sleep_like_a_daemon(database):
    """Hold K, in a session that is returned."""
    sleeper = database.connect()
    assert run(sleeper, "SELECT pg_try_advisory_lock(pgripple.lock_class(), 1)"
               ) == [(True,)]
    return sleeper


def may_sleep(database):
    """Whether K is free for a daemon now."""
    return database.value(
        "SELECT pg_try_advisory_xact_lock(pgripple.lock_class(), 1)")


def test_adaptive_is_the_default(installed):
    assert installed.value("SELECT pgripple.notify_mode()") == "adaptive"


def test_nobody_rings_while_nobody_sleeps(items):
    ears = Ears(items)
    items.execute("UPDATE item SET name = 'x'")
    assert ears.count() == 0
    assert len(take(items)) == 1


def test_a_sleeper_is_rung_for_once_a_transaction(items):
    ears = Ears(items)
    sleeper = sleep_like_a_daemon(items)
    items.execute("UPDATE item SET name = 'x'; DELETE FROM item")
    assert ears.count() == 1
    run(sleeper, "SELECT pg_advisory_unlock_all()")
    items.execute("INSERT INTO item VALUES (3)")
    assert ears.count() == 0


def test_a_writer_that_did_not_ring_keeps_the_daemon_awake(items):
    writer = items.connect(autocommit=False)
    run(writer, "UPDATE item SET name = 'x' WHERE id = 1")
    assert not may_sleep(items)
    writer.commit()
    assert may_sleep(items)


def test_a_savepoint_takes_row_and_lock_back_together(items):
    writer = items.connect(autocommit=False)
    run(writer, "SAVEPOINT s; UPDATE item SET name = 'x'; ROLLBACK TO s")
    assert may_sleep(items)
    writer.commit()
    assert take(items) == []


@pytest.mark.parametrize("mode", ["adaptive", "always"])
def test_nobody_rings_while_the_queue_fills_up(items, mode):
    items.execute(f"SELECT pgripple.notify_mode('{mode}')")
    ears, sleeper = Ears(items), sleep_like_a_daemon(items)
    items.execute("UPDATE item SET name = 'before'")
    assert ears.count() == 1
    items.execute("CREATE OR REPLACE FUNCTION pgripple.queue_usage() "
                  "RETURNS double precision LANGUAGE sql AS 'SELECT 0.51'")
    items.execute("UPDATE item SET name = 'x'")
    assert ears.count() == 0
    assert len(take(items)) == 2
    sleeper.close()


def test_always_rings_though_nobody_sleeps(items):
    items.execute("SELECT pgripple.notify_mode('always')")
    ears = Ears(items)
    items.execute("UPDATE item SET name = 'x'")
    assert ears.count() == 1


def test_transactions_can_be_prepared_while_the_daemon_sleeps(make_postgres):
    server = make_postgres(fsync="off", max_prepared_transactions=2)
    database = server.create_database("app").install()
    database.execute(TABLES)
    watch(database, "item", "id")
    ears, sleeper = Ears(database), sleep_like_a_daemon(database)
    database.execute("BEGIN; DELETE FROM item; PREPARE TRANSACTION 'p'")
    database.execute("COMMIT PREPARED 'p'")
    assert ears.count() == 0
    assert take_one(database)["op"] == "delete"
    sleeper.close()
    database.execute("SELECT pgripple.notify_mode('always')")
    with pytest.raises(psycopg2.errors.FeatureNotSupported) as refused:
        database.execute("BEGIN; TRUNCATE item; PREPARE TRANSACTION 'p'")
    assert refused.value.pgcode == "0A000"


def test_a_prepared_writer_keeps_the_daemon_awake(make_postgres):
    server = make_postgres(fsync="off", max_prepared_transactions=2)
    database = server.create_database("app").install()
    database.execute(TABLES)
    watch(database, "item", "id")
    database.execute("BEGIN; DELETE FROM item; PREPARE TRANSACTION 'p'")
    assert not may_sleep(database)
    database.execute("COMMIT PREPARED 'p'")
    assert may_sleep(database)


# ---- marks and the bound of the outbox ----

@pytest.fixture
def full(items):
    """The outbox has two rows, and one is allowed."""
    items.execute("SELECT pgripple.outbox_limit(1);"
                  "INSERT INTO item VALUES (3); INSERT INTO item VALUES (4)")
    assert wholes(items) == []
    return items


def claim(database):
    """Claim every row of the outbox, as a daemon does with a batch."""
    return database.value("SELECT pgripple.claim_marks("
                          "ARRAY(SELECT id FROM pgripple.outbox))")


def marks(database):
    return [row[0] for row in
            database.execute("SELECT id FROM pgripple.mark ORDER BY id")]


def test_the_limit_can_be_changed_and_asked(installed):
    assert installed.value("SELECT pgripple.outbox_limit()") == 1000000
    assert installed.value("SELECT pgripple.outbox_limit(7)") == 7
    assert installed.value("SELECT pgripple.outbox_limit()") == 7
    with pytest.raises(psycopg2.errors.InvalidParameterValue) as refused:
        installed.execute("SELECT pgripple.outbox_limit(0)")
    assert 'outbox limit "0" is not a positive number' in str(refused.value)


def test_past_the_limit_there_is_one_mark_for_each_table(full):
    for number in range(5, 15):
        full.execute(f"INSERT INTO item VALUES ({number});"
                     f"INSERT INTO other VALUES ({number});"
                     "UPDATE item SET name = 'x'; DELETE FROM other;"
                     "TRUNCATE other")
    assert wholes(full) == [("public.item", "outbox limit"),
                            ("public.other", "outbox limit")]
    assert len(take(full)) == 4


def test_a_statement_without_rows_leaves_no_mark(full):
    full.execute("UPDATE item SET name = 'x' WHERE false")
    assert wholes(full) == []


def test_a_mark_of_another_table_does_not_do(full):
    full.execute("INSERT INTO item VALUES (5)")
    full.execute("INSERT INTO other VALUES (5)")
    assert len(wholes(full)) == 2


def test_a_mark_that_rolled_back_does_not_do(full):
    full.execute("BEGIN; INSERT INTO item VALUES (5); ROLLBACK")
    full.execute("INSERT INTO item VALUES (5)")
    assert wholes(full) == [("public.item", "outbox limit")]


def test_a_mark_that_is_not_committed_does_for_its_own_writer(full):
    writer = full.connect(autocommit=False)
    run(writer, "INSERT INTO item VALUES (5); INSERT INTO item VALUES (6)")
    full.execute("INSERT INTO item VALUES (7)")
    writer.commit()
    assert len(wholes(full)) == 2


def test_a_mark_cannot_be_claimed_while_a_writer_hides_behind_it(full):
    full.execute("INSERT INTO item VALUES (5)")
    writer = full.connect(autocommit=False)
    run(writer, "INSERT INTO item VALUES (6)")
    assert claim(full) == marks(full)
    assert claim(full) == marks(full)
    writer.commit()
    assert claim(full) == []


def test_nobody_hides_behind_a_mark_that_was_claimed(full):
    full.execute("INSERT INTO item VALUES (5)")
    assert claim(full) == []
    writer = full.connect(autocommit=False)
    run(writer, "INSERT INTO item VALUES (6)")
    assert len(wholes(full)) == 1
    writer.commit()
    assert len(wholes(full)) == 2


def test_a_claim_that_is_refused_still_ends_the_use_of_the_mark(full):
    """Writers who overlap without end cannot keep a mark alive."""
    full.execute("INSERT INTO item VALUES (5)")
    first = full.connect(autocommit=False)
    run(first, "INSERT INTO item VALUES (6)")
    claimed = marks(full)
    assert claim(full) == claimed
    second = full.connect(autocommit=False)
    run(second, "INSERT INTO item VALUES (7)")
    first.commit()
    assert full.value("SELECT pgripple.claim_marks(%s)", claimed) == []
    second.commit()
    assert len(wholes(full)) == 2


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_old_snapshot_neither_fails_nor_hides_behind_a_claimed_mark(
        full, level):
    full.execute("INSERT INTO item VALUES (5)")
    writer = full.connect(autocommit=False)
    run(writer, f"SET TRANSACTION ISOLATION LEVEL {level}")
    run(writer, "SELECT count(*) FROM pgripple.mark")
    assert claim(full) == []
    full.execute("DELETE FROM pgripple.outbox")
    claim(full)
    run(writer, "INSERT INTO item VALUES (6)")
    writer.commit()
    assert wholes(full) == [("public.item", "outbox limit")]


def test_marks_that_were_acknowledged_are_forgotten(full):
    full.execute("INSERT INTO item VALUES (5)")
    claim(full)
    full.execute("DELETE FROM pgripple.outbox")
    claim(full)
    assert marks(full) == []


def test_room_in_the_outbox_brings_images_back(full):
    full.execute("INSERT INTO item VALUES (5)")
    take(full)
    full.execute("INSERT INTO item VALUES (6)")
    assert wholes(full) == [("public.item", "outbox limit")]
    take(full)
    assert full.value("SELECT pgripple.measure_outbox()") == 0
    full.execute("INSERT INTO item VALUES (7)")
    assert take_one(full)["new"] == [{"id": "7", "name": None}]


def test_the_depth_is_counted_from_the_oldest_row(items):
    items.execute("SELECT pgripple.outbox_limit(10)")
    for number in range(3, 9):
        items.execute(f"INSERT INTO item VALUES ({number})")
    items.execute("DELETE FROM pgripple.outbox WHERE id <= 4")
    assert items.value("SELECT pgripple.measure_outbox()") == 2
    assert items.value("SELECT pgripple.measure_outbox(5)") == 1


def test_a_weekend_without_a_daemon_does_not_fill_the_disk(items):
    """Eight sessions write all the time; nobody reads."""
    items.execute("SELECT pgripple.outbox_limit(200)")

    def write(first):
        session = items.connect()
        for number in range(first, first + 300):
            run(session, f"INSERT INTO item VALUES ({number}, 'x')")
            run(session, f"UPDATE item SET name = 'y' WHERE id = {number}")

    threads = [threading.Thread(target=write, args=(1000 * n,))
               for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert items.value("SELECT count(*) FROM item") == 2402
    # At most one more for each session that saw no other's mark yet.
    assert 200 < len(items.changes()) <= 201 + 2 * len(threads)
    assert ("public.item", "outbox limit") in wholes(items)


def test_a_restored_copy_goes_on_without_a_daemon(items):
    """Triggers and all, but with other oids, and nobody who reads."""
    items.execute("SELECT pgripple.outbox_limit(5), pgripple.ring();"
                  "INSERT INTO item VALUES (3)")
    copy = items.server.create_database(f"{items.name}_copy")
    try:
        dump = f"/{items.server.folder}/{items.name}.dump"
        items.server.run_tool("pg_dump", "-Fc", "-f", dump, "-d",
                              items.conninfo())
        items.server.run_tool("pg_restore", "-e", "-d", copy.conninfo(), dump)
        assert copy.execute("SELECT problem FROM pgripple.watched()") == [
            (None,), (None,)]
        assert (copy.value("SELECT pgripple.lock_class()")
                != items.value("SELECT pgripple.lock_class()"))
        ears, sleeper = Ears(copy), sleep_like_a_daemon(copy)
        for number in range(10, 50):
            copy.execute(f"INSERT INTO item VALUES ({number})")
        assert ears.count() > 0
        assert len(copy.changes()) == 7
        assert wholes(copy) == [("public.item", "outbox limit")]
        sleeper.close()
    finally:
        copy.drop()


def test_an_outbox_made_anew_does_not_use_ids_again(full):
    full.execute("INSERT INTO item VALUES (5)")
    (former,) = marks(full)
    full.execute("DROP TABLE pgripple.outbox CASCADE")
    full.install()
    full.execute("DELETE FROM item")
    assert full.value("SELECT min(id) FROM pgripple.outbox") == former + 1
    assert len(wholes(full)) == 1


# ---- the switch ----

def test_disabled_means_that_nobody_is_captured(items):
    for _ in range(7):
        items.execute("UPDATE item SET name = name || 'x'")
    take(items)
    assert items.value("SELECT pgripple.disable()") is True
    assert items.value("SELECT pgripple.disable()") is False
    assert wholes(items) == [("public.item", "disabled"),
                             ("public.other", "disabled")]
    items.execute("UPDATE item SET name = 'y'; INSERT INTO other VALUES (1);"
                  "DELETE FROM item; TRUNCATE other")
    assert len(take(items)) == 2


def test_enabled_again_everything_is_touched_and_captured(items):
    items.execute("SELECT pgripple.disable(); UPDATE item SET name = 'y'")
    take(items)
    assert items.value("SELECT pgripple.enable()") is True
    assert items.value("SELECT pgripple.enable()") is False
    assert take(items) == [
        {"table": f"public.{table}", "op": "update", "whole": "enabled"}
        for table in ("item", "other")]
    items.execute("DELETE FROM item WHERE id = 1")
    assert take_one(items)["op"] == "delete"


def test_watched_says_that_capture_is_disabled(items):
    items.execute("SELECT pgripple.disable()")
    assert items.execute("SELECT problem FROM pgripple.watched()") == [
        ("capture is disabled",)] * 2
    items.execute("SELECT pgripple.enable()")
    assert items.execute("SELECT problem FROM pgripple.watched()") == [
        (None,)] * 2


def test_disabling_waits_for_no_writer(items):
    writer = items.connect(autocommit=False)
    run(writer, "LOCK TABLE item IN ACCESS EXCLUSIVE MODE; DELETE FROM other")
    items.execute("SET lock_timeout = '100ms'")
    assert items.value("SELECT pgripple.disable()") is True
    run(writer, "DELETE FROM item")
    writer.commit()
    assert [change for change in take(items) if "whole" not in change] == []


def test_enabling_waits_for_the_unseen_and_captures_the_others(items):
    items.execute("SELECT pgripple.disable()")
    unseen = items.connect(autocommit=False)
    run(unseen, "UPDATE item SET name = 'unseen' WHERE id = 1")
    take(items)
    switch = items.connect()
    thread = in_thread(switch, "SELECT pgripple.enable()")
    wait_blocked(items, switch)
    items.execute("UPDATE item SET name = 'seen' WHERE id = 2")
    assert take_one(items)["new"] == [{"id": "2", "name": "seen"}]
    assert wholes(items) == []
    unseen.commit()
    thread.join()
    assert len(wholes(items)) == 2


def test_a_statement_that_began_while_disabled_is_captured_afterwards(items):
    """The function of before is in its cache."""
    items.execute("SELECT pgripple.disable()")
    writer = items.connect()
    for _ in range(7):
        run(writer, "UPDATE item SET name = 'unseen'")
    gate = items.connect()
    run(gate, "SELECT pg_advisory_lock(42)")
    thread = in_thread(writer, "WITH gate AS MATERIALIZED "
                       "(SELECT pg_advisory_xact_lock(42)) "
                       "UPDATE item SET name = 'late' FROM gate")
    wait_blocked(items, writer)
    items.execute("SELECT pgripple.enable()")
    take(items)
    run(gate, "SELECT pg_advisory_unlock(42)")
    thread.join()
    assert take_one(items)["op"] == "update"


def test_a_snapshot_of_before_does_not_go_unseen_after_enable(items):
    items.execute("SELECT pgripple.disable()")
    writer = items.connect(autocommit=False)
    run(writer, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    run(writer, "SELECT count(*) FROM item")
    items.execute("SELECT pgripple.enable()")
    take(items)
    run(writer, "UPDATE item SET name = 'late'")
    writer.commit()
    assert take_one(items)["op"] == "update"


def test_enabling_that_rolls_back_captures_but_is_still_a_problem(items):
    items.execute("SELECT pgripple.disable()")
    take(items)
    items.execute("BEGIN; SELECT pgripple.enable(); ROLLBACK")
    items.execute("DELETE FROM item WHERE id = 1")
    assert take_one(items)["op"] == "delete"
    assert items.value("SELECT pgripple.is_enabled()") is False
    assert items.value("SELECT pgripple.enable()") is True
    assert len(wholes(items)) == 2


def test_disabling_that_rolls_back_disables_nothing(items):
    items.execute("BEGIN; SELECT pgripple.disable(); ROLLBACK")
    items.execute("DELETE FROM item WHERE id = 1")
    assert take_one(items)["op"] == "delete"
    assert items.value("SELECT pgripple.is_enabled()") is True


def test_disabling_frees_writers_from_an_outbox_that_is_gone(items):
    items.execute("DROP TABLE pgripple.outbox CASCADE")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        items.execute("DELETE FROM item")
    assert items.value("SELECT pgripple.disable()") is True
    assert "capture is disabled, but" in items.own.notices[-1]
    items.execute("DELETE FROM item; TRUNCATE other")


@pytest.mark.parametrize("damage, state", [
    ("DROP TABLE pgripple.outbox CASCADE", "42P01"),
    ("DROP FUNCTION pgripple.ring()", "42883"),
    ("DROP SEQUENCE pgripple.outbox_low", "42P01"),
])
def test_damage_that_fails_writers_is_healed_by_installing(
        items, damage, state):
    items.execute(damage)
    with pytest.raises(psycopg2.Error) as failed:
        items.execute("UPDATE item SET name = 'x'")
    assert failed.value.pgcode == state
    items.execute("SELECT pgripple.disable()")
    items.execute("UPDATE item SET name = 'x'")
    items.install()
    items.execute("SELECT pgripple.enable()")
    take(items)
    items.execute("UPDATE item SET name = 'y'")
    assert take_one(items)["op"] == "update"


def test_a_reinstall_leaves_the_switch_alone(items):
    items.execute("SELECT pgripple.disable()")
    items.install()
    assert items.value("SELECT pgripple.is_enabled()") is False


# ---- what has been applied ----

def write(database, sql="UPDATE item SET name = name || '!'"):
    """Run SQL in a transaction of its own and return its xid."""
    session = database.connect(autocommit=False)
    run(session, sql)
    xid = run(session, "SELECT pg_current_xact_id()::text")[0][0]
    session.commit()
    return xid


def applied(database, xid):
    return database.value("SELECT pgripple.applied(%s::text::xid8)", xid)


def test_a_change_is_applied_when_it_has_left_the_outbox(items):
    xid = write(items)
    assert not applied(items, xid)
    write(items)
    items.execute("DELETE FROM pgripple.outbox WHERE xid = %s::text::xid8",
                  xid)
    assert applied(items, xid)


def test_a_transaction_without_changes_is_applied(items):
    assert applied(items, write(items, "CREATE TABLE x ()"))


def test_asking_does_not_compile_anything(items):
    """The costs of what is switched off there would have the server do so, for
    a quarter of a second."""
    session = items.connect()
    run(session, "SET client_min_messages = debug1; SET jit = on")
    run(session, "SELECT pgripple.applied('1')")
    assert not [text for text in session.notices if "JIT" in text]
    run(session, "SET jit_above_cost = 0")
    run(session, "SELECT count(*) FROM pg_class")
    assert [text for text in session.notices if "JIT" in text]


def test_a_transaction_under_way_is_not_applied(items):
    writer = items.connect(autocommit=False)
    run(writer, "CREATE TABLE x ()")
    xid = run(writer, "SELECT pg_current_xact_id()::text")[0][0]
    assert not applied(items, xid)
    assert run(writer, "SELECT pgripple.applied(pg_current_xact_id())") == [
        (False,)]
    writer.rollback()
    assert applied(items, xid)


def test_a_transaction_of_the_future_is_not_applied(items):
    assert not applied(items, "4000000000")


def test_an_old_snapshot_does_not_call_a_newer_transaction_applied(items):
    reader = items.connect(autocommit=False)
    run(reader, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    run(reader, "SELECT count(*) FROM pgripple.outbox")
    xid = write(items)
    assert run(reader, f"SELECT pgripple.applied('{xid}')") == [(False,)]


def test_a_rejected_change_is_not_applied(items):
    xid = write(items)
    items.execute("WITH gone AS (DELETE FROM pgripple.outbox RETURNING *) "
                  "INSERT INTO pgripple.rejected SELECT id, xid, at, change, "
                  "'odd' FROM gone")
    assert not applied(items, xid)
    items.execute("SELECT pgripple.drop_rejected()")
    assert applied(items, xid)


@pytest.mark.parametrize("first, last, is_of_it", [
    (0, 0, True), (-1, 1, True), (None, None, True), (None, 0, True),
    (0, None, True), (1, 2, False), (-2, -1, False), (None, -1, False),
    (1, None, False),
])
def test_a_task_that_may_come_from_a_transaction_delays_it(
        items, first, last, is_of_it):
    xid = int(write(items))
    take(items)
    items.execute(
        "INSERT INTO pgripple.task (operation, from_xid, to_xid) VALUES "
        "('{}', %s::text::xid8, %s::text::xid8)",
        *(None if bound is None else str(xid + bound)
          for bound in (first, last)))
    assert applied(items, xid) is not is_of_it
    items.execute("DELETE FROM pgripple.task")
    assert applied(items, xid)


def test_a_change_behind_a_mark_is_applied_with_the_mark(full):
    full.execute("INSERT INTO item VALUES (5)")
    xid = write(full, "INSERT INTO item VALUES (6)")
    assert len(wholes(full)) == 1
    assert not applied(full, xid)
    claim(full)
    assert not applied(full, xid)
    take(full)
    assert applied(full, xid)


def test_while_disabled_nothing_is_applied(items):
    items.execute("SELECT pgripple.disable()")
    take(items)
    xid = write(items)
    assert not applied(items, xid)
    items.execute("SELECT pgripple.enable()")
    assert not applied(items, xid)
    take(items)
    assert applied(items, xid)


def wait_applied(session, xid, timeout):
    return run(session, f"CALL pgripple.wait_applied('{xid}', '{timeout}')")


def test_waiting_ends_when_the_change_is_applied(items):
    xid = write(items)
    waiter = items.connect()
    found = []
    thread = threading.Thread(target=lambda: found.extend(
        wait_applied(waiter, xid, "30s")))
    thread.start()
    wait_until(lambda: items.value(
        "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s",
        waiter.info.backend_pid))
    take(items)
    thread.join(5)
    assert found == [(True,)]


def test_waiting_ends_at_the_timeout(items):
    assert wait_applied(items.connect(), write(items), "30ms") == [(False,)]
    assert wait_applied(items.connect(), write(items), "0") == [(False,)]


def test_waiting_holds_no_snapshot(items):
    """The oldest transaction that the waiter keeps from VACUUM moves on."""
    xid = write(items)
    waiter = items.connect()
    thread = threading.Thread(
        target=wait_applied, args=(waiter, xid, "30s"))
    thread.start()
    for _ in range(3):
        newest = int(write(items, "SELECT 1"))
        wait_until(lambda: items.value(
            "SELECT coalesce(age(backend_xmin) <= age(%s::text::xid), true) "
            "FROM pg_stat_activity WHERE pid = %s",
            str(newest), waiter.info.backend_pid), what="a new snapshot")
        assert thread.is_alive()
    take(items)
    thread.join()


# ---- rejected changes ----

@pytest.fixture
def rejected(items):
    """Three rejected changes, numbered from 1."""
    items.execute("""
        INSERT INTO pgripple.rejected (id, xid, at, change, reason)
        SELECT n, '3', now(), json_build_object('n', n), 'odd'
        FROM generate_series(1, 3) AS n""")
    return items


def rejected_ids(database):
    return [row[0] for row in
            database.execute("SELECT id FROM pgripple.rejected ORDER BY id")]


def test_one_rejected_change_is_tried_again(rejected):
    rejected.execute("SELECT setval('pgripple.outbox_id_seq', 100)")
    ears, sleeper = Ears(rejected), sleep_like_a_daemon(rejected)
    assert rejected.value("SELECT pgripple.retry_rejected(2)") == 1
    assert rejected.value("SELECT pgripple.retry_rejected(2)") == 0
    assert ears.count() == 1
    assert rejected_ids(rejected) == [1, 3]
    assert rejected.execute("SELECT id, xid::text FROM pgripple.outbox") == [
        (101, "3")]
    assert take_one(rejected) == {"n": "2"}
    sleeper.close()


def test_all_rejected_changes_are_tried_again_in_their_order(rejected):
    assert rejected.value("SELECT pgripple.retry_rejected()") == 3
    assert [change["n"] for change in take(rejected)] == ["1", "2", "3"]
    assert rejected_ids(rejected) == []


def test_rejected_changes_can_be_dropped(rejected):
    assert rejected.value("SELECT pgripple.drop_rejected(2)") == 1
    assert rejected_ids(rejected) == [1, 3]
    assert rejected.value("SELECT pgripple.drop_rejected()") == 2
    assert take(rejected) == []


# ---- the upgrade from older versions ----

@pytest.fixture(params=FIXTURES, ids=["1", "2", "4", "5", "6"])
def older(request, database):
    """An older version with a watched table, a waiting change, a task, a
    rejected change, no doorbell."""
    database.run_file(request.param)
    database.execute(TABLES)
    database.execute("""
        SELECT pgripple.watch('item', '{id,name}'),
            pgripple.notify_mode('never');
        INSERT INTO item VALUES (3);
        INSERT INTO pgripple.task (operation) VALUES ('{"do":"scan"}');
        INSERT INTO pgripple.rejected (id, xid, change, reason)
            VALUES (77, pg_current_xact_id(), '{"n":1}', 'strange')""")
    return database


def test_an_upgrade_loses_nothing_and_keeps_the_mode(older):
    older.install()
    assert older.execute(
        "SELECT pgripple.schema_version(), pgripple.notify_mode(), "
        "pgripple.is_enabled(), pgripple.outbox_limit()") == [
            (7, "never", True, 1000000)]
    assert take_one(older)["new"] == [{"id": "3", "name": None}]
    assert older.execute("SELECT operation->>'do', from_xid, to_xid "
                         "FROM pgripple.task") == [("scan", None, None)]
    assert older.value("SELECT reason FROM pgripple.rejected") == "strange"
    assert older.value("SELECT pgripple.retry_rejected()") == 1
    assert take_one(older) == {"n": "1"}


@pytest.mark.parametrize("older", FIXTURES[:1], indirect=True, ids=["1"])
def test_capture_functions_of_before_go_on_until_they_are_replaced(older):
    older.install()
    take(older)
    older.execute("UPDATE item SET name = 'x' WHERE id = 1; TRUNCATE item")
    assert [change["op"] for change in take(older)] == [
        "update", "truncate"]
    assert older.value("SELECT problem FROM pgripple.watched()") is not None
    assert watch(older, "item", "id", "name") is True
    assert older.value("SELECT problem FROM pgripple.watched()") is None


def objects(database):
    """What the schema holds, each with all that matters of it, as texts."""
    relations = database.execute("""
        SELECT c.oid::regclass::text, c.relkind, c.reloptions::text,
            (SELECT string_agg(format('%s %s %s', attname,
                        format_type(atttypid, atttypmod), attnotnull), ', '
                    ORDER BY attnum)
             FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)
        FROM pg_class AS c
        WHERE relnamespace = to_regnamespace('pgripple')""")
    routines = database.execute("""
        SELECT oid::regprocedure::text, pg_get_functiondef(oid), proacl::text
        FROM pg_proc WHERE pronamespace = to_regnamespace('pgripple')""")
    return set(relations), set(routines)


@pytest.mark.parametrize("older", FIXTURES[:1], indirect=True, ids=["1"])
def test_what_a_capture_function_of_before_calls_stays(older):
    older.install()
    assert older.value(
        "SELECT to_regprocedure('pgripple.signature(oid)') IS NOT NULL")


def test_an_upgraded_schema_is_like_a_fresh_one(older):
    older.install()
    watch(older, "item", "id", "name")
    older.install()     # what the capture function of before called
    relations, routines = objects(older)
    older.run_file("sql/uninstall.sql").install()
    watch(older, "item", "id", "name")
    older.execute("SELECT pgripple.notify_mode('never')")
    fresh_relations, fresh_routines = objects(older)
    assert relations == fresh_relations
    assert routines == fresh_routines


def test_an_upgrade_waits_for_no_writer(older):
    writer = older.connect(autocommit=False)
    run(writer, "UPDATE item SET name = 'x' WHERE id = 1")
    older.execute("SET lock_timeout = '500ms'")
    older.install()
    writer.commit()


# ---- all of it at once ----

def test_no_change_hides_behind_a_mark_that_was_applied_before(items):
    """Writers with random pauses, always past the limit, and a daemon whose
    cache is a copy of the table: whatever it applies last must be the truth."""
    items.execute("SELECT pgripple.outbox_limit(1);"
                  "INSERT INTO item SELECT n, '' FROM generate_series(3, 6) n;"
                  "INSERT INTO item VALUES (7)")
    sessions = [items.connect(autocommit=False) for _ in range(4)]

    def write(session, number):
        chance = random.Random(number)
        time.sleep(chance.random() * 0.004)
        run(session, "UPDATE item SET name = name || 'x' "
                     f"WHERE id = {1 + number % len(sessions)}")
        time.sleep(chance.random() * 0.006)
        session.commit()

    cache = None
    for round_number in range(60):
        threads = [threading.Thread(target=write, args=(
            session, round_number * len(sessions) + place))
            for place, session in enumerate(sessions)]
        for thread in threads:
            thread.start()
        while True:
            is_last = not any(thread.is_alive() for thread in threads)
            batch = [row[0] for row in items.execute(
                "SELECT id FROM pgripple.outbox ORDER BY id")]
            if batch:
                kept = items.value("SELECT pgripple.claim_marks(%s)", batch)
                cache = items.execute("SELECT * FROM item ORDER BY id")
                items.execute("DELETE FROM pgripple.outbox WHERE id = ANY(%s)",
                              [id for id in batch if id not in kept])
            elif is_last:
                break
        assert cache == items.execute("SELECT * FROM item ORDER BY id")


# ---- the plans of fetching and acknowledging ----

FETCH = ("SELECT count(*) FROM pgripple.fetch_changes("
         "%s, 500, 1000000, false)")
ACKNOWLEDGE = "SELECT pgripple.acknowledge(ARRAY[%s])"


@pytest.fixture
def session(items):
    """One that has planned all when there was next to nothing; meanwhile the
    outbox has 20,000 rows."""
    fill = ("INSERT INTO pgripple.outbox (change, bytes) "
            "SELECT '{}', 2 FROM generate_series(1, %s)")
    items.execute(fill, 1)
    items.execute("VACUUM ANALYZE pgripple.outbox")
    connection = items.connect(autocommit=False)
    for _ in range(10):
        assert run(connection, FETCH, 0) == [(1,)]
        assert run(connection, ACKNOWLEDGE, 0) == [(0,)]
    connection.commit()
    items.execute(fill, 19999)
    yield connection
    connection.close()


def tuples_read(session, statement, *values):
    """How many rows and entries of the outbox a statement makes Postgres look
    at."""
    read = ("SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int "
            "FROM pg_stat_xact_user_tables WHERE relname = 'outbox'")
    before = run(session, read)[0][0]
    run(session, statement, *values)
    return run(session, read)[0][0] - before


@pytest.mark.parametrize("above, n", [(0, 500), (10000, 500), (19900, 100)])
def test_a_fetch_reads_what_it_takes_and_not_the_whole_outbox(session, above,
                                                              n):
    assert run(session, FETCH, above) == [(n,)]
    assert tuples_read(session, FETCH, above) <= 2 * n


def test_acknowledging_reads_what_goes_and_not_the_whole_outbox(session):
    assert tuples_read(session, ACKNOWLEDGE, 15000) == 1
