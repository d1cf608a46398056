"""What row-level triggers capture: of partitions, children, subscriptions."""

import pytest

from harness.flow import install, vanished, wait_quiet, warm
from harness.outbox import take, take_one, watch
from harness.wait import wait_until

pytestmark = pytest.mark.once

UNKNOWN = {"unknown": "too large"}

# Where the rows are: in a partition whose columns have another order, or in a
# child with a column more.
KINDS = {
    "partition": "CREATE TABLE t (id int, {columns}) PARTITION BY HASH (id);"
                 "CREATE TABLE t_1 (gone int, {columns}, id int);"
                 "ALTER TABLE t_1 DROP gone; ALTER TABLE t ATTACH PARTITION "
                 "t_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    "child": "CREATE TABLE t (id int, {columns});"
             "CREATE TABLE t_1 (more int) INHERITS (t)",
}


@pytest.fixture(params=KINDS)
def make_table(installed, request):
    """make_table(columns, key=False): the watched table "t", whose rows are
    in "t_1"; returns the database."""
    def make(columns, key=False):
        installed.execute(KINDS[request.param].format(columns=columns))
        if key:
            installed.execute("ALTER TABLE t ADD PRIMARY KEY (id)")
            if request.param == "child":
                installed.execute("ALTER TABLE t_1 ADD PRIMARY KEY (id)")
        watch(installed, "t", "id", "v")
        return installed
    return make


@pytest.mark.parametrize("type, short, long", [
    ("text", "repeat('x', 1024)", "repeat('x', 1025)"),
    ("text", "'x'", "repeat('x', 2000000)"),
    ("varchar(2000)", "repeat('ü', 512)", "repeat('ü', 513)"),
    ("bytea", "decode(repeat('00', 511), 'hex')",
     "decode(repeat('00', 512), 'hex')"),
    ("jsonb", "'{}'::jsonb", "to_jsonb(repeat('x', 2000000))"),
])
def test_a_value_over_1_kb_is_unknown(make_table, type, short, long):
    database = make_table(f"v {type}", key=True)
    database.execute(f"INSERT INTO t_1 (id, v) VALUES (1, {short})")
    assert take_one(database)["new"][0]["v"] != UNKNOWN
    database.execute(f"UPDATE t SET v = {long}")
    change = take_one(database)
    assert change["old"][0]["v"] != UNKNOWN
    assert change["new"] == [{"id": "1", "v": UNKNOWN}]
    assert change["changed"] == ["v"]
    database.execute("DELETE FROM t_1")
    assert take_one(database)["old"] == [{"id": "1", "v": UNKNOWN}]


def test_rows_of_2_mb_are_captured_quickly(make_table):
    database = make_table("v text, n int")
    database.execute("INSERT INTO t_1 (id, v) VALUES (1, repeat('x', 2000000));"
                     "INSERT INTO t_1 (id, v)"
                     " SELECT i, v FROM t, generate_series(2, 600) AS i")
    take(database)
    database.execute("SET statement_timeout = '5s'; UPDATE t SET n = 1")
    changes = take(database)
    assert len(changes) == 600
    assert all(change["new"][0]["v"] == UNKNOWN for change in changes)


def test_without_a_primary_key_every_update_counts(make_table):
    database = make_table("v text")
    database.execute("INSERT INTO t_1 (id, v) VALUES (1, 'a'), (1, 'a');"
                     "UPDATE t SET v = v; DELETE FROM t_1")
    row = {"id": "1", "v": "a"}
    update = {"table": "public.t", "op": "update", "old": [row], "new": [row]}
    delete = {"table": "public.t", "op": "delete", "old": [row]}
    assert take(database)[2:] == [update, update, delete, delete]


def test_a_row_of_nulls_has_an_image(make_table):
    database = make_table("v text")
    database.execute("INSERT INTO t_1 (id) VALUES (NULL);"
                     "UPDATE t SET v = 'x'; UPDATE t SET v = NULL;"
                     "DELETE FROM t_1")
    null, full = {"id": None, "v": None}, {"id": None, "v": "x"}
    insert, first, second, delete = take(database)
    assert insert["new"] == delete["old"] == [null]
    assert (first["old"], first["new"]) == ([null], [full])
    assert (second["old"], second["new"]) == ([full], [null])


@pytest.mark.parametrize("type, value, other", [
    ("json", """'{"a": 1}'""", """'{"a":1}'"""),
    ("point", "'(1,2)'", "'(1,3)'"),
    ("xml", "'<a/>'", "'<b/>'"),
])
@pytest.mark.parametrize("key", [True, False])
def test_a_type_without_equality_is_compared(
        make_table, type, value, other, key):
    database = make_table(f"v {type}", key)
    database.execute(f"INSERT INTO t_1 (id, v) VALUES (1, {value})")
    inserted = take_one(database)["new"][0]["v"]
    assert isinstance(inserted, str)
    database.execute("UPDATE t SET v = v")
    assert len(take(database)) == (0 if key else 1)
    database.execute(f"UPDATE t SET v = {other}")
    change = take_one(database)
    assert change["old"][0]["v"] == inserted != change["new"][0]["v"]


def test_values_do_not_depend_on_the_session(make_table):
    database = make_table("v text, at timestamptz DEFAULT '2026-01-02 03:04Z',"
                          " f float8 DEFAULT 0.1, b bytea DEFAULT '\\x41',"
                          " i interval DEFAULT '1 day 2 hours'")
    watch(database, "t", "id", "at", "f", "b", "i")
    database.execute("INSERT INTO t_1 (id) VALUES (1)")
    plain = take_one(database)["new"]
    database.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German';"
                     "SET extra_float_digits = -3; SET bytea_output = escape;"
                     "SET IntervalStyle = iso_8601;"
                     "INSERT INTO t_1 (id) VALUES (1)")
    assert take_one(database)["new"] == plain == [{
        "id": "1", "at": "2026-01-02T03:04:00+00:00", "f": "0.1",
        "b": "\\x41", "i": "1 day 02:00:00"}]


# ---- the daemon ----

GRAPH = """\
models:
  t:
    table: t
    invalidate: ["t:{id}", "named:{v}"]
"""


def test_a_value_that_is_needed_but_unknown_touches_the_model(
        make_table, cache, redis_server, make_config, make_daemon):
    database = make_table("v text, extra text", key=True)
    config = make_config(database.conninfo(), redis_server.url, GRAPH)
    install(config)
    make_daemon(config)
    database.execute("INSERT INTO t_1 (id, v) VALUES (1, 'a'), (2, 'b')")
    wait_quiet(database)
    keys = ["t:1", "t:2", "named:a", "named:b", "other"]
    warm(cache, *keys)
    database.execute("UPDATE t_1 SET extra = repeat('x', 2000000) "
                     "WHERE id = 1")
    wait_quiet(database)
    assert vanished(cache, keys) == {"t:1", "named:a"}
    warm(cache, *keys)
    database.execute("UPDATE t_1 SET v = repeat('x', 2000000) WHERE id = 1")
    wait_quiet(database)
    # Of named:{v} no key is known, t:{id} of the other row is.
    assert vanished(cache, keys) >= {"t:1", "named:a", "named:b"}
    assert cache.exists("other")


def test_a_subscription_without_a_key_is_seen_by_the_daemon(
        make_postgres, cache, redis_server, make_config, make_daemon):
    source = make_postgres(wal_level="logical", tcp=True, fsync="off")
    target = make_postgres(fsync="off")
    there = source.create_database("app")
    here = target.create_database("app")
    for database in (there, here):
        database.execute("CREATE TABLE t (id int, v text);"
                         "ALTER TABLE t REPLICA IDENTITY FULL")
    there.execute("CREATE PUBLICATION p FOR TABLE t")
    there.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
    config = make_config(here.conninfo(), redis_server.url, GRAPH, {
        "postgres": {"coverage_interval": "200ms"}})
    install(config)
    daemon = make_daemon(config)
    here.execute(f"CREATE SUBSCRIPTION s CONNECTION '{there.conninfo()}' "
                 "PUBLICATION p WITH (create_slot = false, copy_data = false)")
    daemon.wait_for_event("capture.gap_opened")
    install(config)
    daemon.wait_for_event("capture.gap_closed")
    keys = ["t:1", "t:2", "named:a", "named:b"]
    wait_quiet(here)
    warm(cache, *keys)
    there.execute("INSERT INTO t VALUES (1, 'a'), (NULL, NULL)")
    wait_until(lambda: vanished(cache, keys), 30, "the inserts to be applied")
    wait_quiet(here)
    assert vanished(cache, keys) == {"t:1", "named:a"}
    warm(cache, *keys)
    there.execute("UPDATE t SET v = repeat('x', 2000000) WHERE id = 1")
    wait_until(lambda: {"named:b"} <= vanished(cache, keys), 30,
               "all names to be touched")
    wait_quiet(here)
    warm(cache, *keys)
    there.execute("DELETE FROM t")
    wait_until(lambda: {"t:1"} <= vanished(cache, keys), 30,
               "the deletes to be applied")
    here.execute("DROP SUBSCRIPTION s")
