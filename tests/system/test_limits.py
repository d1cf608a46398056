"""Limits, failing lookups and coalescing: a coarser invalidation that is said,
and never one less."""

import time

import pytest

from harness.daemon import is_sanitized
from harness.flow import install, vanished, wait_quiet, warm
from harness.wait import wait_until

CHAIN = """\
    models:
      a: {table: a, invalidate: ["a:{id}"]}
      b: {table: b, invalidate: ["b:{id}"]}
      c: {table: c, invalidate: ["c:{id}"]}
      d: {table: d, invalidate: ["d:{id}"]}
      e: {table: e, invalidate: ["e:{id}"]}
      f: {table: f, invalidate: ["f:{id}"]}
    relations:
      - a.id -> b.up
      - b.id -> c.up
      - c.id -> d.up
      - d.id -> e.up
      - e.id -> f.up
    """

TREE = """\
    models:
      root: {table: root, invalidate: ["root:{id}"]}
      leaf: {table: leaf, invalidate: ["leaf:{id}"]}
    relations:
      - root.id -> leaf.root_id: {name: leaves}
    """


def make_tree(database, n_leaves):
    database.execute(
        "CREATE TABLE root (id int PRIMARY KEY, name text);"
        " CREATE TABLE leaf (id int PRIMARY KEY, root_id int);"
        " INSERT INTO root VALUES (1, 'a'), (2, 'b');"
        " INSERT INTO leaf SELECT n, 1 FROM"
        f" generate_series(1, {n_leaves}) AS n;"
        " CREATE INDEX ON leaf (root_id); ANALYZE leaf")


@pytest.fixture
def config(database, redis_server, make_config):
    def make(graph, **settings):
        made = make_config(database.conninfo(), redis_server.url, graph,
                           settings)
        install(made)
        return made
    return make


def lookups_since(database, log_start):
    return [entry for entry in
            database.server.log_text(log_start).splitlines()
            if "CROSS JOIN LATERAL" in entry and "execute" in entry]


def touch_root(database, root=1):
    database.execute(f"UPDATE root SET name = name || 'x' WHERE id = {root}")


def test_a_level_costs_one_round_trip(database, config, cache, make_daemon):
    database.execute("".join(
        f"CREATE TABLE {table} (id int PRIMARY KEY, up int);"
        f" INSERT INTO {table} SELECT n, n FROM generate_series(1, 9) AS n;"
        for table in "abcdef"))
    made = config(CHAIN, log={"level": "info"})
    daemon = make_daemon(made)
    database.execute("ALTER DATABASE \"" + database.name + "\" SET"
                     " log_min_duration_statement = 0")
    daemon.stop()
    daemon.start()
    log_start = database.server.log_size()
    warm(cache, *(f"{table}:{n}" for table in "abcdef" for n in (1, 2)))
    database.execute("UPDATE a SET up = 5 WHERE id = 1")
    wait_quiet(database)
    line = daemon.wait_for_event("change.applied")
    assert [model["path"] for model in line["models"]][-1] == "a>b>c>d>e>f"
    assert vanished(cache, [f"{table}:{n}" for table in "abcdef"
                            for n in (1, 2)]) == {
        f"{table}:1" for table in "abcdef"}
    assert len(lookups_since(database, log_start)) == 5


def test_rows_that_a_policy_hides_are_not_missed(
        database, config, cache, make_daemon):
    make_tree(database, 3)
    made = config(TREE)
    database.execute(
        "ALTER TABLE leaf ENABLE ROW LEVEL SECURITY;"
        " CREATE POLICY few ON leaf USING (id = 1)")
    daemon = make_daemon(made)
    warm(cache, "leaf:1", "leaf:2", "leaf:3", "root:1", "root:2")
    touch_root(database)
    failed = daemon.wait_for_event("lookup.failed")
    assert failed["relation"] == "leaves"
    assert "row-level security" in failed["error"]
    wait_quiet(database)
    assert vanished(cache, ["leaf:1", "leaf:2", "leaf:3", "root:1",
                            "root:2"]) == {
        "leaf:1", "leaf:2", "leaf:3", "root:1"}


def test_a_lookup_that_takes_too_long_is_given_up(
        database, config, cache, make_daemon):
    make_tree(database, 3)
    made = config(TREE)
    made.write_settings({"postgres": {"statement_timeout": "1s"}})
    daemon = make_daemon(made)
    warm(cache, "leaf:1", "leaf:9", "root:1")
    holder = database.connect(autocommit=False)
    holder.cursor().execute("LOCK TABLE leaf IN ACCESS EXCLUSIVE MODE")
    touch_root(database)
    failed = daemon.wait_for_event("lookup.failed")
    assert "timeout" in failed["error"]
    wait_until(lambda: not cache.exists("leaf:1", "leaf:9", "root:1"), 30,
               "the whole model to go")
    holder.rollback()
    wait_quiet(database)
    warm(cache, "leaf:1", "leaf:9")
    touch_root(database)
    wait_until(lambda: not cache.exists("leaf:1"), 30, "the leaf to go")
    assert cache.exists("leaf:9")


def test_a_table_that_was_dropped_is_touched_as_a_whole(
        database, config, cache, make_daemon):
    make_tree(database, 3)
    daemon = make_daemon(config(TREE))
    warm(cache, "leaf:1", "root:1")
    database.execute("DROP TABLE leaf")
    touch_root(database)
    assert daemon.wait_for_event("lookup.failed")["relation"] == "leaves"
    wait_quiet(database)
    assert vanished(cache, ["leaf:1", "root:1"]) == {"leaf:1", "root:1"}
    warm(cache, "root:2", "leaf:2")
    touch_root(database, 2)
    wait_quiet(database)
    assert vanished(cache, ["leaf:2", "root:2"]) == {"leaf:2", "root:2"}


@pytest.mark.parametrize("limits, cause, setting, limit", [
    ({"lookup_rows": 5}, "lookup rows", "limits.lookup_rows", 5),
    ({"touched_rows": 7}, "lookup rows", "limits.touched_rows", 7),
])
def test_past_a_limit_it_is_the_whole_model(
        database, config, cache, make_daemon, limits, cause, setting, limit):
    make_tree(database, 20)
    daemon = make_daemon(config(TREE, limits=limits))
    warm(cache, "leaf:1", "leaf:20", "leaf:999", "root:1", "root:2")
    touch_root(database)
    line = daemon.wait_for_event("batch.escalated")
    assert line["level"] == "warning"
    assert (line["relation"], line["model"], line["cause"], line["setting"],
            line["limit"]) == ("leaves", "leaf", cause, setting, limit)
    wait_quiet(database)
    assert vanished(cache, ["leaf:1", "leaf:20", "leaf:999", "root:1",
                            "root:2"]) == {
        "leaf:1", "leaf:20", "leaf:999", "root:1"}


def test_a_batch_that_touches_too_much_says_so(
        database, config, cache, make_daemon):
    database.execute(
        "CREATE TABLE root (id int PRIMARY KEY, name text);"
        " CREATE TABLE leaf (id int PRIMARY KEY, root_id int);"
        " INSERT INTO root SELECT n, '' FROM generate_series(1, 30) AS n;")
    daemon = make_daemon(config("""\
        models:
          root: {table: root, invalidate: ["root:{id}"]}
          leaf: {table: leaf, invalidate: ["leaf:{id}"]}
        relations:
          - leaf.root_id -> root.id
        """, limits={"touched_rows": 15}))
    warm(cache, *(f"root:{n}" for n in range(1, 31)))
    database.execute(
        "INSERT INTO leaf SELECT n, n FROM generate_series(1, 10) AS n")
    line = daemon.wait_for_event("batch.escalated")
    assert (line["cause"], line["setting"], line["limit"], line["times"]) == (
        "touched rows", "limits.touched_rows", 15, 5)
    wait_quiet(database)
    assert not cache.keys("root:*")


def test_a_value_that_is_not_known_is_told(database, config, cache,
                                           make_daemon):
    database.execute("CREATE TABLE leaf (id int PRIMARY KEY, root_id text);"
                     " CREATE TABLE root (id text PRIMARY KEY, name text)")
    daemon = make_daemon(config("""\
        models:
          leaf: {table: leaf, invalidate: ["leaf:{id}"]}
          root: {table: root, invalidate: ["root:{id}"]}
        relations:
          - leaf.root_id -> root.id
        """))
    warm(cache, "leaf:1", "root:1", "root:2")
    database.execute("INSERT INTO leaf VALUES (1, repeat('x', 5000))")
    line = daemon.wait_for_event("batch.escalated")
    assert line["cause"] == "unknown value" and "setting" not in line
    wait_quiet(database)
    assert not cache.exists("leaf:1", "root:1", "root:2")


@pytest.mark.timing
def test_a_million_rows_behind_one_change(database, config, cache,
                                          make_daemon):
    make_tree(database, 1_000_000)
    daemon = make_daemon(config(TREE, log={"level": "info"}))
    warm(cache, "leaf:1", "leaf:999999", "root:1", "root:2")
    before = daemon.rss_kb()
    start = time.monotonic()
    touch_root(database)
    assert daemon.wait_for_event("batch.escalated")["limit"] == 10000
    wait_quiet(database)
    taken = time.monotonic() - start
    assert vanished(cache, ["leaf:1", "leaf:999999", "root:1", "root:2"]) == {
        "leaf:1", "leaf:999999", "root:1"}
    print(f"{taken:.2f} s, {before} kB before, {daemon.rss_kb()} kB after")
    if not is_sanitized():
        assert daemon.rss_kb() - before < 20_000
        assert taken < 5


def test_each_key_of_a_batch_goes_once_and_each_change_is_told(
        database, config, cache, redis_server, make_daemon):
    make_tree(database, 60)
    made = config("""\
        models:
          root: {table: root, invalidate: ["root:{id}"]}
          leaf: {table: leaf, invalidate: ["leaf:{id}"]}
        relations:
          - leaf.root_id -> root.id
        """, log={"level": "info"})
    database.execute("DO $$ BEGIN FOR n IN 1..60 LOOP"
                     " UPDATE leaf SET root_id = 2 WHERE id = n;"
                     " UPDATE leaf SET root_id = 1 WHERE id = n;"
                     " END LOOP; END $$")
    n_changes = len(database.changes())
    assert n_changes == 120
    warm(cache, "root:1", "root:2", *(f"leaf:{n}" for n in range(1, 61)))
    with cache.monitor() as monitor:
        daemon = make_daemon(made)
        wait_quiet(database)
        cache.echo("the end")
        keys = unlinked_keys(monitor)
    assert sorted(keys) == sorted(
        ["root:1", "root:2", *(f"leaf:{n}" for n in range(1, 61))])
    def lines():
        return daemon.events("change.applied")
    wait_until(lambda: len(lines()) == n_changes, 30, "a line a change")
    assert sum(any(model["model"] == "root" for model in line["models"])
               for line in lines()) == n_changes


def unlinked_keys(monitor):
    """Every key of an UNLINK, as often as it was sent, up to the echo."""
    keys = []
    for command in monitor.listen():
        words = command["command"].split()
        if words[0].upper() == "UNLINK":
            keys += words[1:]
        if command["command"].endswith("the end"):
            return keys
    return keys


FAN = """\
    models:
      a: {table: a, invalidate: ["a:{id}"]}
      b: {table: b, invalidate: ["b:{id}"]}
      c: {table: c, invalidate: ["c:{id}"]}
      d: {table: d, invalidate: ["d:{id}"]}
      link: {table: link}
    relations:
      - a.id -> b.up
      - a.id -> c.up
      - a.(id, up) -> d.(id, up)
      - a.id -> link.a_id
      - link.b_id -> b.id: { transitive: false }
    """


@pytest.mark.parametrize("broken", [
    None, "DROP TABLE c", "ALTER TABLE c ENABLE ROW LEVEL SECURITY"])
def test_the_edges_of_a_level_go_together(
        database, config, cache, make_daemon, broken):
    """And one at a time if together they fail, to see which it was."""
    database.execute("".join(
        f"CREATE TABLE {table} (id int PRIMARY KEY, up int);"
        f" INSERT INTO {table} SELECT n, n FROM generate_series(1, 9) AS n;"
        for table in "abcd")
        + "CREATE TABLE link (a_id int, b_id int);"
          " INSERT INTO link VALUES (1, 7)")
    made = config(FAN)
    database.execute(f'ALTER DATABASE "{database.name}" SET'
                     " log_min_duration_statement = 0")
    daemon = make_daemon(made)
    if broken:
        database.execute(broken)
    keys = [f"{table}:{n}" for table in "abcd" for n in range(1, 9)]
    warm(cache, *keys)
    log_start = database.server.log_size()
    database.execute("DELETE FROM a WHERE id = 1")
    wait_quiet(database)
    gone = {"a:1", "b:1", "b:7", "d:1"}
    if not broken:
        assert vanished(cache, keys) == gone | {"c:1"}
        assert len(lookups_since(database, log_start)) == 1
    else:
        assert vanished(cache, keys) == gone | {
            f"c:{n}" for n in range(1, 9)}
        daemon.wait_for_event("lookup.failed")
        assert [event["relation"] for event in
                daemon.events("lookup.failed")] == ["a.id -> c.up"]
