"""Memory stays under limits.memory_limit, whatever comes: then batches become
smaller and whole models stand for rows, and nothing is stale in the end.

PGRIPPLE_LONG=1 is for those that take longer (scripts/test-long.sh).
"""

import os

import pytest

from harness.daemon import is_sanitized
from harness.flow import install, vanished, wait_quiet, warm
from harness.http import Web
from harness.proxy import proxy_to_redis

pytestmark = pytest.mark.once
long = pytest.mark.skipif("PGRIPPLE_LONG" not in os.environ,
                          reason="takes long: PGRIPPLE_LONG=1")

LIMIT_KB = 64 * 1024

# Lookups give long values, which become long keys.
WIDE = """\
    models:
      root: {table: root, invalidate: ["root:{id}"]}
      leaf:
        table: leaf
        invalidate:
          - key: "leaf:{id}:{a}:{b}:{c}"
            repeat_after: 100ms
          - tag: "leaves:{id}"
      twig:
        table: twig
        invalidate: ["twig:{id}:{a}"]
    relations:
      - root.id -> leaf.root_id: {name: leaves}
      - leaf.id -> twig.leaf_id: {name: twigs}
    """

WIDE_TABLES = """
CREATE TABLE root (id int PRIMARY KEY, n int DEFAULT 0);
CREATE TABLE leaf (id int PRIMARY KEY, root_id int, a text, b text, c text);
CREATE TABLE twig (id int PRIMARY KEY, leaf_id int, a text);
INSERT INTO root SELECT n FROM generate_series(1, 200) AS n;
INSERT INTO leaf SELECT n, 1 + n / 9000, repeat('a', %(width)s),
    repeat('b', %(width)s), repeat('c', %(width)s)
    FROM generate_series(1, %(leaves)s) AS n;
INSERT INTO twig SELECT n, n, repeat('t', %(width)s)
    FROM generate_series(1, %(leaves)s) AS n;
CREATE INDEX ON leaf (root_id);
CREATE INDEX ON twig (leaf_id);
ANALYZE
"""


@pytest.fixture
def start(database, redis_server, make_config, make_daemon):
    """start(graph, redis_url=None, **settings): a Daemon."""
    def make(graph, redis_url=None, **settings):
        config = make_config(
            database.conninfo(), redis_url or redis_server.url, graph,
            {"log": {"level": "info", "changes_per_second": 10}, **settings})
        install(config)
        return make_daemon(config)
    return make


def check_peak(daemon, limit_kb=LIMIT_KB):
    print(f"{daemon.peak_kb()} kB at most, {daemon.rss_kb()} kB now")
    if not is_sanitized():
        assert daemon.peak_kb() < limit_kb


def limit_hits(daemon):
    return Web(daemon.config).metric(
        'pgripple_limit_hits_total{setting="limits.memory_limit"}') or 0


def leaf_key(n, width):
    return f"leaf:{n}:{'a' * width}:{'b' * width}:{'c' * width}"


def test_wide_rows_behind_one_change(database, cache, start):
    """5,000 rows of 2.7 kB that one row leads to: more than fits."""
    database.execute(WIDE_TABLES % {"width": 900, "leaves": 5000})
    daemon = start(WIDE)
    keys = ["root:1", leaf_key(1, 900), leaf_key(4999, 900),
            f"twig:5:{'t' * 900}"]
    warm(cache, *keys, "root:2")
    database.execute("UPDATE root SET n = n + 1 WHERE id = 1")
    line = daemon.wait_for_event("batch.escalated")
    assert (line["relation"], line["cause"], line["setting"]) == (
        "leaves", "memory", "limits.memory_limit")
    wait_quiet(database)
    assert vanished(cache, [*keys, "root:2"]) == set(keys)
    assert limit_hits(daemon) > 0
    check_peak(daemon)


TINY = """\
    models:
      tiny:
        table: tiny
        invalidate: ["a:{id}", "b:{id}", "c:{id}", {key: "d:{id}",
          repeat_after: 100ms}]
      group: {table: groups, invalidate: ["group:{id}"]}
    relations:
      - tiny.group_id -> group.id
    """

TINY_TABLES = """
CREATE TABLE tiny (id int PRIMARY KEY, group_id int);
CREATE TABLE groups (id int PRIMARY KEY)
"""


def test_a_batch_of_very_many_small_rows(
        database, redis_server, cache, make_config, make_daemon):
    """A megabyte of them takes thirty in memory: the batch begins with fewer
    of them than were fetched."""
    database.execute(TINY_TABLES)
    config = make_config(
        database.conninfo(), redis_server.url, TINY,
        {"log": {"level": "info"}, "limits": {"batch_bytes": "8MB"}})
    install(config)
    for n in range(40):
        database.execute(
            "INSERT INTO tiny SELECT n, n FROM generate_series(%s, %s) AS n",
            1 + 3000 * n, 3000 * (n + 1))
    keys = [f"{letter}:{n}" for n in (1, 60000, 120000) for letter in "abcd"]
    warm(cache, *keys, "group:120000", "a:0", "group:0")
    daemon = make_daemon(config)
    wait_quiet(database, 60)
    assert not cache.exists(*keys, "group:120000")
    assert limit_hits(daemon) > 0
    check_peak(daemon)


@long
def test_a_million_dependent_rows_and_a_redis_that_is_late(
        database, redis_server, cache, start):
    """Nothing but memory bounds them."""
    proxy = proxy_to_redis(redis_server)
    try:
        database.execute(WIDE_TABLES % {"width": 20, "leaves": 1_000_000})
        daemon = start(
            WIDE, f"redis://127.0.0.1:{proxy.port}/0",
            limits={"lookup_rows": 2_000_000, "touched_rows": 2_000_000},
            redis={"command_timeout": "20s"}, tasks={"scan_count": 100_000})
        keys = [f"root:{n}" for n in range(1, 101)] + [
            leaf_key(1, 20), leaf_key(800_000, 20)]
        warm(cache, *keys, "root:150")
        proxy.delay_ms = 1000
        database.execute("UPDATE root SET n = n + 1 WHERE id <= 100")
        wait_quiet(database, 300)
        assert vanished(cache, keys) == set(keys)
        check_peak(daemon)
    finally:
        proxy.close()


@long
def test_a_tag_of_a_million_members(database, cache, start):
    database.execute(WIDE_TABLES % {"width": 20, "leaves": 10})
    daemon = start(WIDE)
    cache.eval("for n = 1, 1000000 do redis.call('SADD', KEYS[1], 'm:' .. n)"
               " end redis.call('SET', 'm:1000000', 'cached')", 1, "leaves:5")
    database.execute("UPDATE leaf SET a = 'x' WHERE id = 5")
    wait_quiet(database, 300)
    assert not cache.exists("leaves:5", "m:1000000")
    check_peak(daemon)
