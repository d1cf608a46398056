"""The rule "cacheops" with more of everything: rows, tenants, and dependencies
with very many cache keys."""

import os

import pytest

from harness.flow import install, wait_quiet
from harness.postgres import ROOT
from harness.wait import wait_until

pytestmark = pytest.mark.once

GRAPH = """\
    models:
      item:
        table: item
        invalidate: [cacheops: {}]
    """

SCHEMA = """
    CREATE TABLE item (id integer PRIMARY KEY, kind integer NOT NULL,
        name varchar(20) NOT NULL);
    """

SCHEMES = ("", "id", "kind", "kind,name")
SLOW_US = 5000

FILL = """for i = 1, ARGV[1] do redis.call('SADD', KEYS[1], 'q:' .. i) end"""


@pytest.fixture
def start(database, redis_server, cache, make_config, make_daemon):
    def start(**settings):
        database.execute(SCHEMA)
        config = make_config(database.conninfo(), redis_server.url, GRAPH,
                             settings)
        install(config)
        cache.sadd("schemes:item", *SCHEMES)
        return make_daemon(config)
    return start


def script_calls(cache):
    return cache.info("commandstats").get("cmdstat_evalsha", {}).get("calls")


def test_a_thousand_rows_are_a_few_round_trips(start, database, cache):
    start()
    cache.sadd("conj:item:kind=7&name=n7", "q:7")
    cache.set("q:7", "x")
    cache.config_resetstat()
    before = cache.info("stats")["total_reads_processed"]
    database.execute("INSERT INTO item SELECT n, n, 'n' || n"
                     " FROM generate_series(1, 1000) AS n")
    wait_quiet(database)
    n_reads = cache.info("stats")["total_reads_processed"] - before
    assert not cache.exists("q:7")
    assert 1000 / 50 <= script_calls(cache) <= 25 and n_reads <= 60


def script(name):
    with open(os.path.join(ROOT, "src/redis/scripts", name + ".lua"),
              encoding="utf-8") as text:
        return text.read()


def processor_us(cache, work):
    """What Redis's processor spends on it; INFO is in it, too."""
    def used():
        cpu = cache.info("cpu")
        return (cpu["used_cpu_user"] + cpu["used_cpu_sys"]) * 1e6
    before = used()
    work()
    return used() - before


def busiest_us(cache, prepare, work):
    """The least of several times: other processes disturb the caches."""
    times = []
    for _ in range(5):
        prepare()
        times.append(processor_us(cache, work))
    return min(times)


def test_no_call_keeps_redis_busy(cache):
    """As many rows, fields and keys as one call may have. By Redis's clock it
    would be what else runs on the machine that counts."""
    fields = [f"f{n}" for n in range(20)]
    cells = [f"#{row * 100 + n}" for row in range(50) for n in range(20)]
    keys = 2, "conj:item:", "pgripple:drain:conj:item:"
    sha1 = cache.script_load(script("cacheops"))
    drain = cache.script_load(script("drain"))
    cache.sadd("schemes:item", *fields)

    def look():
        return cache.evalsha(sha1, *keys, "item", "row", "auto", 1000, 50,
                             "!,".join(fields) + "!", *cells)

    def fill(n_sets, n_members):
        cache.delete(*cache.keys("*conj:*"), "none")
        for n in range(n_sets):
            cache.eval(FILL, 1, f"conj:item:f{n}={n}", n_members)
        cache.mset({f"q:{n}": "x" for n in range(1, 1001)})

    assert busiest_us(cache, lambda: None, look) < SLOW_US
    assert busiest_us(cache, lambda: fill(1, 1000), look) < SLOW_US
    assert busiest_us(cache, lambda: fill(20, 900), look) < SLOW_US
    assert busiest_us(cache, lambda: fill(3, 100000), look) < SLOW_US
    assert len(look()[2]) == 3
    assert busiest_us(cache, lambda: fill(1, 2000), lambda: cache.evalsha(
        drain, 1, "conj:item:f0=0", 1000, "any")) < SLOW_US


def test_what_a_crash_leaves_of_a_large_dependency_is_found(
        start, database, cache):
    daemon = start(limits={"tag_members": 100})
    database.execute("INSERT INTO item VALUES (1, 1, 'x')")
    wait_quiet(database)
    cache.eval(FILL, 1, "conj:item:kind=1", 100000)
    cache.mset({f"q:{n}": "x" for n in range(1, 100001, 10)})
    # Put aside by a batch of which nobody knows any more.
    cache.sadd("pgripple:drain:conj:item:3", "q:forgotten")
    cache.set("q:forgotten", "x")

    def aside():
        return sum(cache.scard(key)
                   for key in cache.scan_iter("pgripple:drain:*", count=9999))

    database.execute("UPDATE item SET name = 'y'")
    wait_until(lambda: not cache.exists("conj:item:kind=1"), 15,
               "a dependency that is gone")
    daemon.kill()
    assert aside() > 0
    daemon.start()
    wait_quiet(database)
    assert aside() == 0 and not cache.keys("q:*")


TENANTS = """\
    models:
      item_a: { table: a.item, invalidate: [cacheops: { prefix: "a:" }] }
      item_b: { table: b.item, invalidate: [cacheops: { prefix: "b:" }] }
      owned:
        table: owned
        invalidate: [cacheops: { prefix: "{tenant}:" }]
    """


def test_tenants_have_caches_of_their_own(
        database, redis_server, cache, make_config, make_daemon):
    """By schemas, and by a column."""
    database.execute("""
        CREATE SCHEMA a; CREATE SCHEMA b;
        CREATE TABLE a.item (id integer PRIMARY KEY, name varchar(20));
        CREATE TABLE b.item (LIKE a.item INCLUDING ALL);
        CREATE TABLE owned (id integer PRIMARY KEY, tenant varchar(9));
        INSERT INTO a.item VALUES (1, 'x'); INSERT INTO b.item VALUES (1, 'x');
        INSERT INTO owned VALUES (1, 'a'), (2, 'b')""")
    config = make_config(database.conninfo(), redis_server.url, TENANTS)
    install(config)
    make_daemon(config)

    def fill():
        for tenant in "a", "b":
            for table in "item", "owned":
                cache.sadd(f"{tenant}:schemes:{table}", "")
                cache.sadd(f"{tenant}:conj:{table}:", f"{tenant}:q:{table}")
                cache.set(f"{tenant}:q:{table}", "x")

    def left(sql):
        fill()
        database.execute(sql)
        wait_quiet(database)
        return sorted(key for key in cache.scan_iter("*:q:*", count=1000))

    assert left("UPDATE a.item SET name = 'y'") == [
        "a:q:owned", "b:q:item", "b:q:owned"]
    assert left("TRUNCATE b.item") == ["a:q:item", "a:q:owned", "b:q:owned"]
    assert left("DELETE FROM owned WHERE id = 2") == [
        "a:q:item", "a:q:owned", "b:q:item"]
