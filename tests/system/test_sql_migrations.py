"""A migration under a watched table never makes a write fail."""

import io
import threading

import pytest

from harness.outbox import take, take_one, watch
from harness.postgres import run
from harness.wait import wait_until

pytestmark = pytest.mark.sql

GONE = {"unknown": "no such column"}


@pytest.fixture
def items(installed):
    installed.execute("""
        CREATE TABLE item (id int PRIMARY KEY, name text, hits int);
        INSERT INTO item VALUES (1, 'a', 0), (2, 'b', 0)""")
    watch(installed, "item", "id", "name", ignore=["hits"])
    # Plans of the time before are kept.
    for _ in range(7):
        installed.execute("UPDATE item SET name = name || 'x' WHERE id = 1;"
                          "UPDATE item SET name = name || 'x'")
    take(installed)
    return installed


def write_everything(database):
    """All kinds of statements; returns their changes."""
    database.execute("""
        INSERT INTO item (id) VALUES (11);
        INSERT INTO item (id) VALUES (12), (13);
        UPDATE item SET id = 21 WHERE id = 11;
        UPDATE item SET id = id + 10 WHERE id IN (12, 13);
        DELETE FROM item WHERE id = 21;
        DELETE FROM item WHERE id > 20;
        TRUNCATE item""")
    changes = take(database)
    assert [change["op"] for change in changes] == [
        "insert", "insert", "update", "update", "delete", "delete", "truncate"]
    return changes[:-1]


@pytest.mark.parametrize("migration, name_is_gone", [
    ("ALTER TABLE item RENAME name TO title", True),
    ("ALTER TABLE item DROP name", True),
    ("ALTER TABLE item DROP hits", False),
    ("ALTER TABLE item ADD price numeric DEFAULT 1", False),
    ("ALTER TABLE item ALTER name TYPE int USING 1", False),
    ("ALTER TABLE item ALTER name TYPE varchar(5) USING 'x'", False),
    ("ALTER TABLE item ALTER id TYPE bigint", False),
])
def test_writers_go_on_after_a_migration(items, migration, name_is_gone):
    items.execute(migration)
    for change in write_everything(items):
        assert change["drift"] is True
        for image in change.get("old", []) + change.get("new", []):
            assert set(image) == {"id", "name"}
            assert (image["name"] == GONE) == name_is_gone
            assert isinstance(image["id"], str)


@pytest.mark.parametrize("migration", [
    "ALTER TABLE item DROP CONSTRAINT item_pkey",
    "ALTER TABLE item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (id, hits), "
    "ALTER hits SET DEFAULT 0",
])
def test_another_key_matters_where_rows_are_paired(items, migration):
    items.execute(migration)
    for change in write_everything(items):
        is_paired = change["op"] == "update" and len(change["new"]) > 1
        assert ("drift" in change) == is_paired


def test_rows_that_share_what_was_the_key_are_not_multiplied(items):
    items.execute("ALTER TABLE item DROP CONSTRAINT item_pkey;"
                  "UPDATE item SET id = 1; UPDATE item SET name = 'z'")
    assert [len(change["new"]) for change in take(items)] == [2, 2]


def test_a_column_retyped_to_what_no_setting_is_pinned_for_is_unknown(items):
    items.execute("ALTER TABLE item ALTER name TYPE timestamptz USING now();"
                  "SET TimeZone = 'Asia/Kathmandu'; INSERT INTO item VALUES (5)")
    assert take_one(items)["new"][0]["name"] == {"unknown": "type changed"}


def test_a_migration_in_the_writers_own_transaction_is_seen(items):
    items.execute("BEGIN; ALTER TABLE item RENAME name TO title;"
                  "UPDATE item SET title = 'z' WHERE id = 1; COMMIT")
    assert take_one(items)["new"][0]["name"] == GONE


def test_a_rolled_back_migration_leaves_no_drift(items):
    items.execute("BEGIN; ALTER TABLE item RENAME name TO title; ROLLBACK;"
                  "UPDATE item SET name = 'z' WHERE id = 1")
    assert "drift" not in take_one(items)


@pytest.mark.parametrize("where", ["WHERE id = 1", ""])
def test_a_column_added_later_counts_as_a_difference(items, where):
    items.execute("ALTER TABLE item ADD price int")
    items.execute(f"UPDATE item SET price = 5 {where}")
    assert take_one(items)["changed"] == []
    items.execute(f"UPDATE item SET hits = hits + 1, price = price {where}")
    assert take(items) == []


def test_a_renamed_ignored_column_counts_as_a_difference(items):
    items.execute("ALTER TABLE item RENAME hits TO clicks;"
                  "UPDATE item SET clicks = 7 WHERE id = 1")
    assert take_one(items)["drift"] is True


def test_a_missing_column_counts_as_changed(items):
    items.execute("ALTER TABLE item DROP name;"
                  "ALTER TABLE item ADD price int; UPDATE item SET price = 1")
    assert take_one(items)["changed"] == ["name"]


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("migration", [
    "ALTER TABLE item RENAME name TO title",
    "ALTER TABLE item DROP name",
    "ALTER TABLE item ALTER name TYPE int USING 1",
])
def test_a_writer_with_a_snapshot_older_than_the_migration_goes_on(
        items, isolation, migration):
    writer = items.connect(autocommit=False)
    run(writer, f"SET TRANSACTION ISOLATION LEVEL {isolation}; SELECT 1")
    run(writer, "SELECT count(*) FROM pg_class")
    items.execute(migration)
    run(writer, "INSERT INTO item (id) VALUES (5)")
    run(writer, "INSERT INTO item (id) VALUES (6), (7)")
    writer.commit()
    assert [(change["whole"], change["rows"]) for change in take(items)] == [
        ("old snapshot", "1"), ("old snapshot", "2")]


@pytest.mark.parametrize("migration", [
    "ALTER TABLE item ADD price int",
    "ALTER TABLE item ADD gone int; ALTER TABLE item DROP gone, ADD price int",
])
def test_a_column_added_after_the_snapshot_counts_as_a_difference(
        items, migration):
    writer = items.connect(autocommit=False)
    run(writer, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    items.execute(migration)
    run(writer, "UPDATE item SET price = 5 WHERE id = 1")
    writer.commit()
    assert take_one(items)["whole"] == "old snapshot"


def test_a_repeatable_read_writer_is_captured_in_detail(items):
    writer = items.connect(autocommit=False)
    run(writer, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    run(writer, "UPDATE item SET name = 'z' WHERE id = 1")
    writer.commit()
    assert take_one(items)["changed"] == ["name"]


def test_a_renamed_table_keeps_the_name_it_is_watched_under(items):
    items.execute("ALTER TABLE item RENAME TO article;"
                  "UPDATE article SET name = 'z' WHERE id = 1")
    change = take_one(items)
    assert change["table"] == "public.item" and "drift" not in change


def test_a_table_in_a_dump_is_captured_without_drift_after_restore(
        items, postgres):
    items.execute("CREATE TYPE mood AS ENUM ('sad'); DROP TYPE mood;"
                  "CREATE TYPE mood AS ENUM ('sad');"
                  "ALTER TABLE item ADD m mood, DROP hits, ADD hits int")
    watch(items, "item", "id", "name", "m", ignore=["hits"])
    dump = postgres.run_tool("pg_dump", "-d", items.conninfo()).stdout
    restored = postgres.create_database(items.name + "_restored")
    try:
        restored.execute("CREATE TABLE other (id int); "
                         "CREATE TYPE other_type AS ENUM ('x')")
        postgres.run_tool("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f",
                          "-", "-d", restored.conninfo(), input=dump)
        assert restored.execute("SELECT table_name, problem "
                                "FROM pgripple.watched()") == [
            ("public.item", None)]
        take(restored)
        # Its rows came before its triggers: the first look touches all.
        restored.execute("SELECT * FROM pgripple.check_coverage()")
        assert [(change["table"], "whole" in change)
                for change in take(restored)] == [("public.item", True)]
        restored.execute("SELECT * FROM pgripple.check_coverage()")
        assert take(restored) == []
        restored.execute("UPDATE item SET name = 'z' WHERE id = 1")
        assert "drift" not in take_one(restored)
        # The oid in the capture function is the old table's, which is slower.
        assert watch(restored, "item", "id", "name", "m", ignore=["hits"])
        restored.execute("UPDATE item SET name = 'y' WHERE id = 1")
        assert "drift" not in take_one(restored)
        assert not watch(restored, "item", "id", "name", "m", ignore=["hits"])
    finally:
        restored.drop()


MIGRATIONS = [
    "ALTER TABLE item RENAME name TO title",
    "ALTER TABLE item RENAME title TO name",
    "ALTER TABLE item ADD extra text",
    "ALTER TABLE item DROP extra",
    "ALTER TABLE item ALTER name TYPE varchar(50)",
    "ALTER TABLE item ALTER name TYPE text",
]


@pytest.mark.parametrize("who", ["own session", "another session"])
@pytest.mark.parametrize("how", [
    "committed", "rolled back", "rolled back to a savepoint"])
def test_a_session_with_plans_sees_each_migration(items, who, how):
    """What a session has found out about the columns it keeps in a plan."""
    watch(items, "item", "id", "name")
    writer = items.connect()
    migrator = writer if who == "own session" else items.connect()

    def drifts():
        writer.cursor().execute("UPDATE item SET hits = hits + 1 WHERE id = 1")
        return "drift" in take_one(items)

    def drifts_inside():
        """The same in a transaction, which takes its change back."""
        cursor = writer.cursor()
        cursor.execute("UPDATE item SET hits = hits + 1 WHERE id = 1")
        cursor.execute("SELECT change->>'drift' FROM pgripple.outbox "
                       "ORDER BY id DESC LIMIT 1")
        return cursor.fetchone()[0] is not None

    expected = False
    assert not drifts()
    for migration in MIGRATIONS:
        cursor = migrator.cursor()
        if how == "committed":
            cursor.execute(migration)
            expected = not expected
        else:
            cursor.execute("BEGIN; SAVEPOINT s")
            cursor.execute("ALTER TABLE item RENAME name TO other")
            if migrator is writer:
                assert drifts_inside()
            if how != "rolled back":
                cursor.execute("ROLLBACK TO s")
                if migrator is writer:
                    assert not drifts_inside()
            cursor.execute("ROLLBACK")
        assert drifts() == expected


def test_a_copy_that_waited_for_a_migration_sees_it(items):
    """COPY has its snapshot before it has its lock on the table."""
    watch(items, "item", "id", "name")
    migrator = items.connect()
    migrator.cursor().execute(
        "BEGIN; ALTER TABLE item RENAME name TO title")
    writer = items.connect()

    def copy():
        with writer.cursor() as cursor:
            cursor.copy_expert("COPY item (id) FROM STDIN",
                               io.StringIO("77\n"))

    thread = threading.Thread(target=copy)
    thread.start()
    wait_until(lambda: items.value("SELECT count(*) FROM pg_locks "
                                   "WHERE NOT granted") == 1)
    migrator.cursor().execute("COMMIT")
    thread.join()
    assert take_one(items)["drift"] is True
    writer.cursor().execute("UPDATE item SET title = 'x' WHERE id = 77")
    assert take_one(items)["drift"] is True


def test_an_old_snapshot_leaves_no_wrong_answer_behind(items):
    """A transaction that began before a migration is the first to write."""
    watch(items, "item", "id", "name")
    writer = items.connect()
    writer.cursor().execute("BEGIN ISOLATION LEVEL REPEATABLE READ;"
                            "SELECT count(*) FROM pg_class")
    items.execute("ALTER TABLE item RENAME name TO title")
    writer.cursor().execute("UPDATE item SET hits = 5 WHERE id = 1; COMMIT")
    assert take_one(items)["whole"] == "old snapshot"
    writer.cursor().execute("UPDATE item SET hits = 6 WHERE id = 1")
    assert take_one(items)["drift"] is True
