"""Every way to write is seen: tables that need row-level triggers, and gaps."""

import pytest

from harness.outbox import take, take_one, watch
from harness.postgres import run


def gaps(database):
    """What check_coverage() tells, as {table: problem}."""
    return dict(database.execute("SELECT * FROM pgripple.check_coverage()"))


def wholes(database):
    """Empties the outbox; the reasons of its changes, all of whole tables."""
    return [change["whole"] for change in take(database)]


@pytest.fixture
def items(installed):
    """A watched ordinary table."""
    installed.execute("CREATE TABLE item (id int PRIMARY KEY, name text);"
                      "INSERT INTO item VALUES (1, 'a'), (2, 'b')")
    watch(installed, "item", "id", "name")
    assert gaps(installed) == {}
    return installed


PARTITIONED = """
    CREATE TABLE event (id int, name text, hits int DEFAULT 0,
                        PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (100);
    -- The same columns in another order, with a dropped one between them.
    CREATE TABLE event_2 (hits int DEFAULT 0, gone int, name text,
                          id int NOT NULL);
    ALTER TABLE event_2 DROP gone;
    ALTER TABLE event ATTACH PARTITION event_2 FOR VALUES FROM (100) TO (200);
    CREATE TABLE event_3 PARTITION OF event FOR VALUES FROM (200) TO (300)
        PARTITION BY LIST (id);
    CREATE TABLE event_3_rest PARTITION OF event_3 DEFAULT;
    INSERT INTO event VALUES (1, 'a'), (101, 'b'), (201, 'c')"""


@pytest.fixture
def events(installed):
    """A watched partitioned table with three partitions, one of them
    partitioned again."""
    installed.execute(PARTITIONED)
    assert watch(installed, "event", "id", "name", ignore=["hits"]) is True
    assert watch(installed, "event", "id", "name", ignore=["hits"]) is False
    assert gaps(installed) == {}
    assert take(installed) == []
    return installed


def image(number, name):
    return {"id": str(number), "name": name}


# ---- partitions ----

@pytest.mark.parametrize("number, partition", [
    (1, "event_1"), (101, "event_2"), (201, "event_3"), (201, "event_3_rest"),
    (1, "event"), (101, "event"), (201, "event")])
def test_each_statement_on_a_partition_is_seen(events, number, partition):
    name = {1: "a", 101: "b", 201: "c"}[number]
    events.execute(f"UPDATE {partition} SET name = 'z' WHERE id = {number};"
                   f"UPDATE {partition} SET hits = hits + 1;"
                   f"DELETE FROM {partition} WHERE id = {number};"
                   f"INSERT INTO {partition} (id, name) "
                   f"VALUES ({number + 1}, 'new')")
    assert take(events) == [
        {"table": "public.event", "op": "update",
         "old": [image(number, name)], "new": [image(number, "z")],
         "changed": ["name"]},
        {"table": "public.event", "op": "delete", "old": [image(number, "z")]},
        {"table": "public.event", "op": "insert",
         "new": [image(number + 1, "new")]}]


def test_a_row_that_moves_between_partitions_goes_and_comes(events):
    events.execute("UPDATE event SET id = 150, name = 'm' WHERE id = 1")
    changes = take(events)
    assert {"table": "public.event", "op": "delete",
            "old": [image(1, "a")]} in changes
    assert {"table": "public.event", "op": "insert",
            "new": [image(150, "m")]} in changes
    assert len(changes) == 2


@pytest.mark.parametrize("table", ["event", "event_2", "event_3_rest"])
def test_a_truncate_of_a_partition_is_seen(events, table):
    events.execute(f"TRUNCATE {table}")
    assert set(wholes(events)) == {"truncate"}


def test_a_partition_made_later_is_captured_and_a_gap_until_install(events):
    events.execute("CREATE TABLE event_4 PARTITION OF event "
                   "FOR VALUES FROM (300) TO (400);"
                   "SET session_replication_role = replica;"
                   "INSERT INTO event_4 VALUES (301, 'late')")
    assert take_one(events)["new"] == [image(301, "late")]
    assert gaps(events) == {"public.event": 'trigger "pgripple_truncate" on '
                                            '"public.event_4" is missing'}
    assert wholes(events) == ["gap opened"]
    assert gaps(events) == {} and take(events) == []
    assert watch(events, "event", "id", "name", ignore=["hits"]) is True
    assert gaps(events) == {"public.event": None}
    assert wholes(events) == ["gap closed"]
    events.execute("TRUNCATE event_4")
    assert wholes(events) == ["truncate"]


@pytest.mark.parametrize("change", [
    "ALTER TABLE event DETACH PARTITION event_2",
    "DROP TABLE event_2",
    "DROP TABLE event_3",
    "ALTER TABLE event DETACH PARTITION event_2; "
    "ALTER TABLE event ATTACH PARTITION event_2 FOR VALUES FROM (100) TO (200)",
])
def test_partitions_that_go_touch_the_whole_table(events, change):
    events.execute(change)
    assert gaps(events) == {"public.event": None}
    assert len(wholes(events)) == 1
    assert gaps(events) == {} and take(events) == []


def test_a_detached_partition_is_left_in_peace(events):
    events.execute("ALTER TABLE event DETACH PARTITION event_2;"
                   "UPDATE event_2 SET name = 'private'")
    assert take(events) == []
    assert events.value("SELECT pgripple.unwatch('event')") is True
    assert events.value("SELECT count(*) FROM pg_trigger WHERE tgname "
                        "LIKE 'pgripple%'") == 0


def test_a_migration_of_a_partitioned_table_is_drift(events):
    events.execute("ALTER TABLE event RENAME name TO title;"
                   "INSERT INTO event VALUES (2, 'x');"
                   "UPDATE event_2 SET title = 'y'; DELETE FROM event_3")
    changes = take(events)
    assert [change["op"] for change in changes] == [
        "insert", "update", "delete"]
    for change in changes:
        assert change["drift"] is True
        for row in change.get("old", []) + change.get("new", []):
            assert row["name"] == {"unknown": "no such column"}
    assert watch(events, "event", "id", "title") is True
    events.execute("INSERT INTO event VALUES (3, 'x')")
    assert take_one(events)["new"] == [{"id": "3", "title": "x"}]


def test_a_column_added_to_a_partitioned_table_counts(events):
    events.execute("ALTER TABLE event ADD price int;"
                   "UPDATE event_2 SET price = 5")
    assert take_one(events)["drift"] is True


@pytest.mark.parametrize("first, second", [("event", "event_1"),
                                           ("event_1", "event")])
def test_a_table_and_its_partition_cannot_both_be_watched(
        installed, first, second):
    installed.execute(PARTITIONED)
    watch(installed, first, "id")
    with pytest.raises(Exception, match="is watched already"):
        watch(installed, second, "id")


def test_a_partition_can_be_watched_by_itself(installed):
    installed.execute(PARTITIONED)
    watch(installed, "event_2", "id", "name")
    installed.execute("INSERT INTO event VALUES (102, 'x'), (2, 'y')")
    assert take_one(installed) == {"table": "public.event_2", "op": "insert",
                                   "new": [image(102, "x")]}


def test_uninstall_takes_the_triggers_of_partitions_away(events):
    events.run_file("sql/uninstall.sql")
    assert events.value("SELECT count(*) FROM pg_trigger WHERE tgname "
                        "LIKE 'pgripple%'") == 0


# ---- gaps of an ordinary table ----

@pytest.mark.parametrize("damage, said", [
    ("ALTER TABLE item DISABLE TRIGGER pgripple_update",
     'trigger "pgripple_update" is disabled'),
    ("ALTER TABLE item ENABLE TRIGGER pgripple_update",
     'trigger "pgripple_update" is not ENABLE ALWAYS'),
    ("DROP TRIGGER pgripple_truncate ON item",
     'trigger "pgripple_truncate" is missing'),
    ("DROP FUNCTION pgripple.\"public.item\"() CASCADE",
     "capture function is missing"),
    ("CREATE TABLE child () INHERITS (item)",
     'trigger "pgripple_row" is missing'),
    ("DROP TABLE item; CREATE TABLE item (id int PRIMARY KEY, name text)",
     "table is gone"),
    ("SELECT pgripple.disable(); DELETE FROM pgripple.outbox",
     "capture is disabled"),
])
def test_a_gap_touches_the_table_when_it_opens_and_when_it_closes(
        items, damage, said):
    items.execute(damage)
    assert gaps(items) == {"public.item": said}
    assert take_one(items) == {"table": "public.item", "op": "update",
                               "whole": "gap opened"}
    assert gaps(items) == {} and take(items) == []
    if "disable()" in damage:
        items.execute("SELECT pgripple.enable(); DELETE FROM pgripple.outbox")
    else:
        assert watch(items, "item", "id", "name") is True
    assert gaps(items) == {"public.item": None}
    assert take_one(items) == {"table": "public.item", "op": "update",
                               "whole": "gap closed"}
    assert gaps(items) == {} and take(items) == []


@pytest.mark.parametrize("damage", [
    "ALTER TABLE item DISABLE TRIGGER pgripple_update; "
    "ALTER TABLE item ENABLE ALWAYS TRIGGER pgripple_update",
    "DROP TRIGGER pgripple_insert ON item",
    "DROP TABLE item; CREATE TABLE item (id int PRIMARY KEY, name text)",
])
def test_a_gap_between_two_looks_is_noticed_too(items, damage):
    items.execute(damage)
    watch(items, "item", "id", "name")
    assert gaps(items) == {"public.item": None}
    assert len(wholes(items)) == 1
    assert gaps(items) == {} and take(items) == []


@pytest.mark.parametrize("migration", [
    "ALTER TABLE item ALTER name TYPE text USING name || '!'",
    "ALTER TABLE item ADD price int DEFAULT 1",
    "ALTER TABLE item DROP name",
])
def test_a_migration_that_changes_values_touches_the_table(items, migration):
    items.execute(migration)
    assert gaps(items) == {}
    assert wholes(items) == ["definition changed"]
    assert gaps(items) == {} and take(items) == []


@pytest.mark.parametrize("event", [
    "ALTER TABLE item RENAME TO article",
    "ANALYZE item",
    "CREATE INDEX ON item (name)",
    "SELECT pgripple.watch('item', '{id}')",
    "UPDATE item SET name = 'z'; DELETE FROM pgripple.outbox",
])
def test_what_is_no_gap_is_not_reported(items, event):
    items.execute(event)
    assert gaps(items) == {} and take(items) == []


def test_looking_does_not_wait_for_watch(items):
    busy = items.connect(autocommit=False)
    run(busy, "LOCK TABLE pgripple.watch_list IN SHARE ROW EXCLUSIVE MODE")
    items.execute("ALTER TABLE item DISABLE TRIGGER ALL; "
                  "SET lock_timeout = '100ms'")
    assert gaps(items) == {}
    busy.rollback()
    assert "is disabled" in gaps(items)["public.item"]
