#!/usr/bin/python3
"""What a scan of a million keys costs the others: the time from an UPDATE's
commit until its key is gone, without and with a whole model being invalidated
meanwhile, and how long Redis was kept by single commands.

    bench/scan.py [--keys 1000000] [--samples 300] [--build build]

Exit status 1 if the 99th percentile with the scan is more than three times that
without, or more than one command of the scan in a thousand took Redis longer
than a millisecond (which, on a machine that does other things too, is the
machine's time as well).
"""

import argparse
import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests/system"))

from harness.daemon import Config, Daemon  # noqa: E402
from harness.flow import install, wait_quiet  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.redis_server import RedisServer  # noqa: E402

GRAPH = """\
models:
  item:
    table: item
    invalidate: ["item:{id}"]
  page:
    table: page
    invalidate: ["page:{id}"]
"""

SLOW_US = 1000


def fill(cache, n_keys):
    """Half of them are of the model that is to go."""
    for start in range(0, n_keys, 10000):
        pipe = cache.pipeline(transaction=False)
        for n in range(start, start + 10000):
            pipe.set(f"page:{n}" if n % 2 else f"other:{n}", "x" * 50)
        pipe.execute()


def latency(database, cache):
    """Seconds from the commit until the key is gone."""
    cache.set("item:1", "x")
    database.execute("UPDATE item SET n = n + 1 WHERE id = 1")
    start = time.perf_counter()
    while cache.exists("item:1"):
        pass
    return time.perf_counter() - start


def sample(database, cache, n_samples, goes_on=lambda: True):
    found = []
    while len(found) < n_samples and goes_on():
        found.append(latency(database, cache))
        time.sleep(0.005)
    return sorted(found)


def percentile(found, share):
    return 1000 * found[min(len(found) - 1, int(share * len(found)))]


def tell(what, found):
    print(f"{what}: {len(found)} samples, median {percentile(found, .5):.2f} ms,"
          f" p99 {percentile(found, .99):.2f} ms, max {1000 * found[-1]:.2f} ms")


def slow_commands(cache):
    return [entry for entry in cache.slowlog_get(128)
            if entry["command"].split(b" ")[0] in (b"SCAN", b"UNLINK")]


def measure(database, cache, daemon, options):
    quiet = sample(database, cache, options.samples)
    tell("without a scan", quiet)
    removed = 0
    busy = []
    cache.config_set("slowlog-log-slower-than", SLOW_US)
    cache.slowlog_reset()
    while len(busy) < options.samples:
        fill(cache, options.keys)
        start = time.perf_counter()
        mark = daemon.mark()
        database.execute("TRUNCATE page")
        busy += sample(database, cache, options.samples - len(busy),
                       lambda: not daemon.events("task.done", after=mark))
        wait_quiet(database, 600)
        done = daemon.wait_for_event("task.done", after=mark)
        removed += done["keys"]
        print(f"a scan of {options.keys} keys took {done['us'] / 1e6:.2f} s")
    busy.sort()
    tell("with a scan", busy)
    slow = slow_commands(cache)
    longest = max((entry["duration"] for entry in slow), default=0)
    stats = cache.info("commandstats")
    n_commands = 0
    for name in ("scan", "unlink"):
        stat = stats[f"cmdstat_{name}"]
        n_commands += stat["calls"]
        print(f"{name.upper()}: {stat['calls']} calls of"
              f" {stat['usec_per_call']} us")
    print(f"over {SLOW_US} us: {len(slow)}, the longest {longest} us;"
          f" keys removed: {removed}")
    ratio = percentile(busy, .99) / percentile(quiet, .99)
    print(f"p99 with a scan is {ratio:.2f} times that without")
    return ratio <= 3 and len(slow) <= n_commands / 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=1000000)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    os.environ["PGRIPPLE_BUILD"] = options.build
    postgres, redis = Postgres(), RedisServer()
    config = daemon = None
    try:
        database = postgres.start().create_database("bench")
        database.execute("CREATE TABLE item (id int PRIMARY KEY, n int);"
                         "CREATE TABLE page (id int PRIMARY KEY);"
                         "INSERT INTO item VALUES (1, 0)")
        cache = redis.start().client(decode_responses=False)
        config = Config(database.conninfo(), redis.url, GRAPH,
                        {"log": {"level": "info"}})
        install(config)
        daemon = Daemon(config).start()
        is_good = measure(database, cache, daemon, options)
    finally:
        if daemon is not None:
            daemon.stop()
        if config is not None:
            config.remove()
        redis.remove()
        postgres.remove()
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
