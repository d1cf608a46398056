"""Every way to write is seen: tables that need row-level triggers, and gaps."""

import hashlib
import threading

import psycopg2
import pytest

from harness.flow import TEAM_GRAPH, install, vanished, wait_quiet, warm
from harness.outbox import take, take_one, watch
from harness.postgres import run
from harness.wait import wait_until


def gaps(database):
    """What check_coverage() tells, as {table: problem}."""
    return dict(database.execute("SELECT * FROM pgripple.check_coverage()"))


def named(kind, table):
    """The name of a trigger that the members of a table have, too."""
    return f"pgripple_{kind}_{hashlib.md5(table.encode()).hexdigest()[:8]}"


def n_triggers(database):
    """How many triggers of pgripple there are."""
    return database.value("SELECT count(*) FROM pg_trigger "
                          "WHERE tgname LIKE 'pgripple%'")


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
    assert gaps(events) == {
        "public.event": f'trigger "{named("truncate", "public.event")}" on '
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


def test_a_foreign_partition_is_a_gap(installed):
    """What is written at its home fires no trigger."""
    installed.execute("""
        CREATE TABLE event (id int, name text) PARTITION BY RANGE (id);
        CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (100);
        CREATE FOREIGN DATA WRAPPER w;
        CREATE SERVER elsewhere FOREIGN DATA WRAPPER w""")
    watch(installed, "event", "id", "name")
    assert gaps(installed) == {}
    installed.execute("CREATE FOREIGN TABLE event_2 PARTITION OF event "
                      "FOR VALUES FROM (100) TO (200) SERVER elsewhere")
    said = '"public.event_2" is a foreign table'
    assert gaps(installed) == {"public.event": said}
    assert "gap opened" in wholes(installed)
    assert installed.execute("SELECT problem FROM pgripple.watched()") == [
        (said,)]
    installed.execute("INSERT INTO event VALUES (1, 'a')")
    assert take_one(installed)["new"] == [image(1, "a")]
    installed.execute("DROP FOREIGN TABLE event_2")
    assert gaps(installed) == {"public.event": None}
    assert "gap closed" in wholes(installed)


def test_a_detached_partition_is_left_in_peace(events):
    events.execute("ALTER TABLE event DETACH PARTITION event_2;"
                   "UPDATE event_2 SET name = 'private'")
    assert take(events) == []
    assert events.value("SELECT pgripple.unwatch('event')") is True
    assert n_triggers(events) == 0


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


@pytest.mark.parametrize("tables", [("event", "event_3"),
                                    ("event_3", "event")])
def test_a_table_and_its_partition_can_both_be_watched(installed, tables):
    installed.execute(PARTITIONED)
    for table in tables:
        watch(installed, table, "id", "name")
    for table in tables:
        assert watch(installed, table, "id", "name") is False
    assert gaps(installed) == {}
    installed.execute("UPDATE event_3_rest SET name = 'z'; TRUNCATE event_3;"
                      "INSERT INTO event VALUES (2, 'x')")
    changes = [(change["table"], change["op"]) for change in take(installed)]
    assert sorted(set(changes)) == [
        ("public.event", "insert"), ("public.event", "truncate"),
        ("public.event", "update"),
        ("public.event_3", "truncate"), ("public.event_3", "update")]
    assert [change for change in changes if change[1] != "truncate"] == [
        ("public.event", "update"), ("public.event_3", "update"),
        ("public.event", "insert")]


@pytest.mark.parametrize("gone, left", [("event", "event_3"),
                                        ("event_3", "event")])
def test_unwatching_one_of_two_leaves_the_other_alone(installed, gone, left):
    installed.execute(PARTITIONED)
    watch(installed, "event", "id", "name")
    watch(installed, "event_3", "id", "name")
    assert installed.value(f"SELECT pgripple.unwatch('{gone}')") is True
    assert installed.value(f"SELECT pgripple.unwatch('{gone}')") is False
    installed.execute("UPDATE event_3_rest SET name = 'z'")
    assert take_one(installed)["table"] == f"public.{left}"
    assert installed.execute("SELECT table_name, problem "
                             "FROM pgripple.watched()") == [
        (f"public.{left}", None)]
    installed.execute(f"SELECT pgripple.unwatch('{left}')")
    assert n_triggers(installed) == 0


LONE = {
    "statements": "CREATE TABLE lone (id int NOT NULL, name text, hits int)",
    "children": "CREATE TABLE lone (id int NOT NULL, name text, hits int);"
                "CREATE TABLE lone_child () INHERITS (lone)",
    "partitions": "CREATE TABLE lone (id int NOT NULL, name text, hits int)"
                  " PARTITION BY LIST (id);"
                  "CREATE TABLE lone_rest PARTITION OF lone DEFAULT",
}


@pytest.mark.parametrize("kind", ["statements", "children", "partitions"])
def test_a_table_watched_by_itself_can_be_attached(events, kind):
    """The migration works, nothing goes unseen by either, install mends."""
    events.execute(LONE[kind])
    watch(events, "lone", "id", "name")
    if kind == "children":      # which a partition must not have
        events.execute("DROP TABLE lone_child")
    gaps(events), take(events)
    events.execute("ALTER TABLE event ATTACH PARTITION lone "
                   "FOR VALUES FROM (300) TO (400);"
                   "INSERT INTO lone VALUES (301, 'direct');"
                   "INSERT INTO event VALUES (302, 'routed')")
    seen = {(change["table"], change["new"][0]["id"])
            for change in take(events)}
    # Statements that name another table are not seen by those of "lone".
    assert seen >= {("public.event", "301"), ("public.event", "302"),
                    ("public.lone", "301")}
    assert gaps(events)["public.event"] is not None
    watch(events, "event", "id", "name", ignore=["hits"])
    watch(events, "lone", "id", "name")
    assert gaps(events)["public.event"] is None
    assert gaps(events) == {} and len(take(events)) > 0
    events.execute("INSERT INTO event VALUES (303, 'x'); TRUNCATE lone")
    assert {(change["table"], change["op"]) for change in take(events)} == {
        (table, op) for table in ("public.event", "public.lone")
        for op in ("insert", "truncate")}
    assert events.execute("SELECT problem FROM pgripple.watched()") == [
        (None,), (None,)]


def test_a_detached_partition_can_be_attached_again_and_watched(events):
    events.execute("ALTER TABLE event DETACH PARTITION event_2")
    watch(events, "event_2", "id", "name")
    assert n_triggers(events) > 0
    events.execute("ALTER TABLE event ATTACH PARTITION event_2 "
                   "FOR VALUES FROM (100) TO (200)")
    watch(events, "event", "id", "name", ignore=["hits"])
    watch(events, "event_2", "id", "name")
    take(events)
    events.execute("UPDATE event SET name = 'z' WHERE id = 101")
    assert {change["table"] for change in take(events)} == {
        "public.event", "public.event_2"}


def test_install_takes_the_triggers_of_a_detached_partition_away(events):
    before = n_triggers(events)
    events.execute("ALTER TABLE event DETACH PARTITION event_2")
    assert gaps(events) == {"public.event": None}
    watch(events, "event", "id", "name")
    take(events)
    assert n_triggers(events) == before - 2
    assert gaps(events) == {} and take(events) == []


def test_a_partition_can_be_watched_by_itself(installed):
    installed.execute(PARTITIONED)
    watch(installed, "event_2", "id", "name")
    installed.execute("INSERT INTO event VALUES (102, 'x'), (2, 'y')")
    assert take_one(installed) == {"table": "public.event_2", "op": "insert",
                                   "new": [image(102, "x")]}


def test_uninstall_takes_the_triggers_of_partitions_away(events):
    events.run_file("sql/uninstall.sql")
    assert n_triggers(events) == 0


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
     f'trigger "{named("row", "public.item")}" is missing'),
    ("CREATE OR REPLACE FUNCTION pgripple.\"public.item\"() RETURNS trigger "
     "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
     "capture function is not what watch() made"),
    ("ALTER FUNCTION pgripple.\"public.item\"() SET TimeZone = 'UTC'",
     "capture function is not what watch() made"),
    ("CREATE TABLE other (); CREATE TRIGGER mine AFTER INSERT ON other "
     "EXECUTE FUNCTION pgripple.\"public.item\"()",
     'capture function is called by trigger "mine" on "public.other", too'),
    ("DROP TABLE item; CREATE TABLE item (id int PRIMARY KEY, name text)",
     "table is gone"),
    ("ALTER TABLE item RENAME TO item_old;"
     "CREATE TABLE item (id int PRIMARY KEY, name text)",
     'another table has its name, it is now named "public.item_old"'),
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
    "CREATE OR REPLACE FUNCTION pgripple.\"public.item\"() RETURNS trigger "
    "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
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
    "ALTER TABLE item RENAME TO article;"
    "CREATE VIEW item AS SELECT * FROM article",
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


# ---- inheritance ----

@pytest.fixture
def family(installed):
    """A watched parent, a child with a column more, and a grandchild."""
    installed.execute("""
        CREATE TABLE base (id int PRIMARY KEY, name text);
        CREATE TABLE child (extra int) INHERITS (base);
        CREATE TABLE grandchild () INHERITS (child);
        INSERT INTO base VALUES (1, 'a');
        INSERT INTO child VALUES (2, 'b', 0);
        INSERT INTO grandchild VALUES (3, 'c', 0)""")
    watch(installed, "base", "id", "name")
    assert gaps(installed) == {}
    return installed


def test_children_are_seen_under_the_parents_name(family):
    family.execute("UPDATE base SET name = name || '!'; DELETE FROM child;"
                   "INSERT INTO grandchild VALUES (4, 'd', 0)")
    changes = take(family)
    assert [(change["table"], change["op"]) for change in changes] == [
        ("public.base", "update")] * 3 + [
        ("public.base", "delete")] * 2 + [("public.base", "insert")]
    assert not any("drift" in change for change in changes)


def test_a_childs_own_column_is_not_the_parents(family):
    family.execute("UPDATE child SET extra = 5")
    assert take(family) == []


def test_a_child_made_later_is_a_gap_until_install(family):
    family.execute("CREATE TABLE late () INHERITS (base)")
    assert gaps(family) == {
        "public.base": f'trigger "{named("row", "public.base")}" on '
                       '"public.late" is missing'}
    assert wholes(family) == ["gap opened"]
    watch(family, "base", "id", "name")
    assert gaps(family) == {"public.base": None}
    take(family)
    family.execute("INSERT INTO late VALUES (7, 'l'); TRUNCATE late")
    assert [change["op"] for change in take(family)] == ["insert", "truncate"]


def test_a_parent_without_children_goes_back_to_statements(family):
    family.execute("DROP TABLE grandchild, child")
    assert gaps(family) == {"public.base": None}
    take(family)
    assert watch(family, "base", "id", "name") is True
    family.execute("INSERT INTO base VALUES (8, 'x'), (9, 'y')")
    assert len(take_one(family)["new"]) == 2


# ---- other ways to write ----

def test_merge_is_captured_by_what_it_did(items):
    if items.own.server_version < 150000:
        pytest.skip("MERGE is of Postgres 15")
    items.execute("""
        MERGE INTO item USING (VALUES (1), (2), (3)) AS s (id)
            ON s.id = item.id
        WHEN MATCHED AND s.id = 1 THEN UPDATE SET name = 'merged'
        WHEN MATCHED THEN DELETE
        WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'new')""")
    by_op = {change["op"]: change for change in take(items)}
    assert by_op["update"]["new"] == [image(1, "merged")]
    assert by_op["delete"]["old"] == [image(2, "b")]
    assert by_op["insert"]["new"] == [image(3, "new")]


@pytest.mark.parametrize("action, statement, op", [
    ("ON DELETE SET NULL", "DELETE FROM item WHERE id = 1", "update"),
    ("ON DELETE CASCADE", "DELETE FROM item WHERE id = 1", "delete"),
    ("ON UPDATE CASCADE", "UPDATE item SET id = 5 WHERE id = 1", "update"),
    ("", "TRUNCATE item CASCADE", "truncate"),
])
def test_a_foreign_keys_action_is_captured(items, action, statement, op):
    items.execute(f"CREATE TABLE part (id int PRIMARY KEY, "
                  f"item_id int REFERENCES item {action});"
                  f"INSERT INTO part VALUES (1, 1), (2, 1)")
    watch(items, "part", "id", "item_id")
    items.execute(statement)
    parts = [change for change in take(items)
             if change["table"] == "public.part"]
    assert [change["op"] for change in parts] == [op]
    if op != "truncate":
        assert len(parts[0]["old"]) == 2


@pytest.mark.parametrize("mode", ["adaptive", "always", "never"])
@pytest.mark.parametrize("is_asleep", [True, False])
def test_what_a_deferred_trigger_writes_at_commit_is_captured(
        items, mode, is_asleep):
    """Another trigger's write during COMMIT; it rings by the usual rules."""
    items.execute(f"""
        SELECT pgripple.notify_mode('{mode}');
        CREATE TABLE log (id int);
        CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                UPDATE item SET name = 'later' WHERE id = new.id;
                RETURN NULL;
            END$$;
        CREATE CONSTRAINT TRIGGER later AFTER INSERT ON log
            DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION later()""")
    sleeper = items.connect()
    run(sleeper, 'LISTEN "{}"'.format(items.value("SELECT pgripple.channel()")))
    if is_asleep:
        run(sleeper, "SELECT pg_advisory_lock(pgripple.lock_class(), 1)")
    writer = items.connect(autocommit=False)
    run(writer, "INSERT INTO log VALUES (1)")
    assert items.changes() == []
    writer.commit()
    assert take_one(items)["new"] == [image(1, "later")]
    run(sleeper, "SELECT")
    assert len(sleeper.notifies) == (
        mode == "always" or mode == "adaptive" and is_asleep)


def test_a_view_that_can_be_updated_is_captured(items):
    items.execute("CREATE VIEW named AS SELECT id, name FROM item;"
                  "UPDATE named SET name = 'v' WHERE id = 1")
    assert take_one(items)["new"] == [image(1, "v")]


def test_a_generated_column_has_its_new_value(installed):
    installed.execute("CREATE TABLE g (id int PRIMARY KEY, n int, "
                      "twice int GENERATED ALWAYS AS (n * 2) STORED)"
                      " PARTITION BY RANGE (id);"
                      "CREATE TABLE g1 PARTITION OF g DEFAULT;"
                      "CREATE TABLE h (LIKE g INCLUDING ALL)")
    for table in ("g", "h"):
        watch(installed, table, "id", "twice")
        installed.execute(f"INSERT INTO {table} VALUES (1, 4);"
                          f"UPDATE {table} SET n = 5")
        inserted, updated = take(installed)
        assert inserted["new"] == [{"id": "1", "twice": "8"}]
        assert updated["new"] == [{"id": "1", "twice": "10"}]
        assert updated["changed"] == ["twice"]


@pytest.mark.parametrize("kind", ["json", "point"])
def test_types_without_equality_are_compared_row_by_row(installed, kind):
    value = {"json": "'{\"a\": 1}'", "point": "'(1,2)'"}[kind]
    installed.execute(f"CREATE TABLE j (n int, v {kind}) PARTITION BY LIST (n);"
                      "CREATE TABLE j1 PARTITION OF j DEFAULT")
    watch(installed, "j", "v")
    installed.execute(f"INSERT INTO j VALUES (1, {value}); DELETE FROM j1")
    assert [change["op"] for change in take(installed)] == [
        "insert", "delete"]


def test_a_statement_of_a_million_rows_is_one_change(items):
    items.execute("INSERT INTO item SELECT n, 'x' "
                  "FROM generate_series(3, 1000002) n")
    assert take_one(items) == {"table": "public.item", "op": "insert",
                               "whole": "bulk", "rows": "1000000"}


def test_rows_of_logical_replication_are_seen(make_postgres):
    """From the subscriber's tables, a partitioned one too."""
    source = make_postgres(wal_level="logical", tcp=True)
    target = make_postgres()
    there = source.create_database("app")
    here = target.create_database("app").install()
    for database in (there, here):
        database.execute("CREATE TABLE item (id int PRIMARY KEY, name text);"
                         + PARTITIONED.split("INSERT INTO")[0])
    there.execute("CREATE PUBLICATION p FOR TABLE item, event "
                  "WITH (publish_via_partition_root = true)")
    there.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
    watch(here, "item", "id", "name")
    watch(here, "event", "id", "name")
    here.execute("CREATE SUBSCRIPTION s CONNECTION "
                 f"'{there.conninfo()}' PUBLICATION p "
                 "WITH (create_slot = false, copy_data = false)")
    assert gaps(here) == {
        "public.item": f'trigger "{named("row", "public.item")}" is missing',
        "public.event": None}
    watch(here, "item", "id", "name")
    assert gaps(here) == {"public.item": None}
    take(here)
    there.execute("INSERT INTO item VALUES (1, 'a');"
                  "UPDATE item SET name = 'b';"
                  "INSERT INTO event (id, name) VALUES (101, 'e');"
                  "DELETE FROM item")
    wait_until(lambda: len(here.changes()) >= 4, 30, "replicated changes")
    assert [(change["table"], change["op"]) for change in take(here)] == [
        ("public.item", "insert"), ("public.item", "update"),
        ("public.event", "insert"), ("public.item", "delete")]
    there.execute("INSERT INTO item VALUES (2, 'c'); TRUNCATE item")
    wait_until(lambda: len(here.changes()) >= 2, 30, "a replicated TRUNCATE")
    _, truncated = take(here)
    assert (truncated["table"], truncated["whole"]) == (
        "public.item", "truncate")
    here.execute("DROP SUBSCRIPTION s")


def test_the_initial_copy_of_a_subscription_is_seen(make_postgres):
    """Also that of a table added later. It is written by sessions of their
    own, with session_replication_role = replica."""
    source = make_postgres(wal_level="logical", tcp=True, fsync="off")
    target = make_postgres(fsync="off")
    there = source.create_database("app")
    here = target.create_database("app").install()
    for database in (there, here):
        database.execute("CREATE TABLE item (id int PRIMARY KEY, name text)")
    there.execute("INSERT INTO item VALUES (1, 'a'), (2, 'b');"
                  "CREATE PUBLICATION p FOR TABLE item")
    watch(here, "item", "id", "name")
    here.execute("CREATE SUBSCRIPTION s CONNECTION "
                 f"'{there.conninfo()}' PUBLICATION p")
    wait_until(lambda: here.value("SELECT count(*) FROM item") == 2, 30,
               "the initial copy")
    copied = [change_image for change in take(here)
              if "new" in change for change_image in change["new"]]
    assert copied == [image(1, "a"), image(2, "b")]
    here.execute("DROP SUBSCRIPTION s")


# ---- the daemon ----

@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    return made


def test_the_daemon_touches_a_model_when_a_gap_opens_and_closes(
        tournament, config, cache, make_daemon):
    tournament.execute("ALTER TABLE app_team DISABLE TRIGGER pgripple_update")
    warm(cache, "team:1", "team:99", "other")
    daemon = make_daemon(config)
    daemon.wait_for_event("capture.gap_opened", table="public.app_team")
    wait_until(lambda: vanished(cache, ["team:1", "team:99", "other"])
               == {"team:1", "team:99"}, 30, "the model to be touched")
    wait_quiet(tournament)
    daemon.stop()
    tournament.execute("UPDATE app_team SET name = 'unseen'")
    warm(cache, "team:1", "team:99")
    install(config)
    daemon = make_daemon(config)
    daemon.wait_for_event("capture.gap_closed", table="public.app_team")
    wait_until(lambda: vanished(cache, ["team:1", "team:99", "other"])
               == {"team:1", "team:99"}, 30, "the model to be touched")


def test_a_site_that_defaults_to_repeatable_read_and_read_only(
        tournament, config, cache, make_daemon):
    tournament.execute(
        f'ALTER DATABASE "{tournament.name}" '
        "SET default_transaction_isolation = 'repeatable read';"
        f'ALTER DATABASE "{tournament.name}" '
        "SET default_transaction_read_only = on")
    make_daemon(config)
    warm(cache, "team:1", "team:2")
    writer = tournament.connect()
    run(writer, "BEGIN READ WRITE; UPDATE app_team SET name = 'x' WHERE id = 1;"
                "COMMIT")
    wait_until(lambda: vanished(cache, ["team:1", "team:2"]) == {"team:1"}, 30,
               "the key to go")


@pytest.mark.parametrize("migration, further", [
    ("ALTER TABLE app_team RENAME name TO title", ""),
    ("ALTER TABLE app_team DROP name", ""),
    ("ALTER TABLE app_team ALTER current_points TYPE bigint", ""),
    ("ALTER TABLE app_team ADD motto text DEFAULT 'x'", ""),
    ("ALTER TABLE app_team RENAME TO squad",
     "ALTER TABLE squad RENAME TO app_team"),
])
def test_writers_go_on_through_migrations_and_install_heals(
        tournament, config, cache, make_daemon, migration, further):
    daemon = make_daemon(config)
    stop = threading.Event()
    failures = []

    def write():
        writer = tournament.connect()
        number = 0
        while not stop.is_set():
            number += 1
            table = "squad" if tournament_is_renamed.is_set() else "app_team"
            try:
                run(writer, f"UPDATE {table} SET current_points = {number} "
                            "WHERE id = 1")
            except psycopg2.errors.UndefinedTable:
                continue    # the moment of the renaming itself
            except psycopg2.Error as error:
                failures.append(error)
                return

    tournament_is_renamed = threading.Event()
    thread = threading.Thread(target=write)
    thread.start()
    try:
        tournament.execute(migration)
        if further:
            tournament_is_renamed.set()
        else:
            daemon.wait_for_event("change.drift", table="public.app_team")
        warm(cache, "team:1")
        wait_until(lambda: not cache.exists("team:1"), 30, "the key to go")
        if further:
            tournament.execute(further)
            tournament_is_renamed.clear()
    finally:
        stop.set()
        thread.join()
    assert failures == []
    install(config)
    wait_quiet(tournament)
    mark = daemon.mark()
    warm(cache, "team:1", "team:99")
    tournament.execute("UPDATE app_team SET current_points = -1 WHERE id = 1")
    wait_quiet(tournament)
    assert vanished(cache, ["team:1", "team:99"]) == {"team:1"}
    assert daemon.events("change.drift", after=mark) == []
