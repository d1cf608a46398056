#!/usr/bin/python3
"""What long work costs the others: the time from an UPDATE's commit until its
key is gone, without and with a whole model of a million keys being invalidated
meanwhile, and how long Redis was kept by single commands of the scan, and of the
draining of a huge tag and of a huge dependency of django-cacheops.

    bench/scan.py [--keys 1000000] [--samples 300] [--build build]

What Redis says of a command is time on the wall: on a machine that does other
things too it is theirs as well. So a command that does nothing but keep Redis
busy for as long as a slice does, and is never more than that, runs beside
(a loop in a script), and says what share of such commands the machine made
longer than a millisecond.

Exit status 1 if the 99th percentile with the scan is more than three times that
without, if the median of a kind of slice is above a millisecond, or if a larger
share of slices than of control commands, and more than one in a hundred, is.
"""

import argparse
import os
import sys
import threading
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
  tagged:
    table: tagged
    invalidate: [tag: "tag:{id}"]
  cached:
    table: cached
    invalidate: [cacheops: {}]
"""

SCHEMA = """
CREATE TABLE item (id int PRIMARY KEY, n int);
CREATE TABLE page (id int PRIMARY KEY);
CREATE TABLE tagged (id int PRIMARY KEY, n int);
CREATE TABLE cached (id int PRIMARY KEY, n int);
INSERT INTO item VALUES (1, 0);
INSERT INTO tagged VALUES (1, 0);
INSERT INTO cached VALUES (1, 0);
"""

SLOW_US = 1000
CONTROL = "local n = 0 for i = 1, ARGV[1] do n = n + 1 end return n"
CONTROL_US = 500


def fill(cache, n_keys):
    """Half of them are of the model that is to go."""
    for start in range(0, n_keys, 10000):
        pipe = cache.pipeline(transaction=False)
        for n in range(start, start + 10000):
            pipe.set(f"page:{n}" if n % 2 else f"other:{n}", "x" * 50)
        pipe.execute()


def fill_set(cache, key, n_keys):
    for start in range(0, n_keys, 10000):
        keys = [f"member:{n}" for n in range(start, start + 10000)]
        cache.mset(dict.fromkeys(keys, "x" * 50))
        cache.sadd(key, *keys)


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
    return found[min(len(found) - 1, int(share * len(found)))]


def tell(what, found):
    p50, p99, most = (1000 * x for x in (
        percentile(found, .5), percentile(found, .99), found[-1]))
    print(f"{what}: {len(found)} samples, median {p50:.2f} ms,"
          f" p99 {p99:.2f} ms, max {most:.2f} ms", flush=True)


class Control:
    """A command that takes CONTROL_US, again and again."""

    def __init__(self, server):
        self.client = server.client(decode_responses=False)
        self.rounds = self.calibrate()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def calibrate(self):
        """By the quickest of many: the others had company."""
        rounds = 20000
        quickest = min(self.measure(rounds) for _ in range(100))
        return int(rounds * CONTROL_US / quickest)

    def measure(self, rounds):
        before = self.client.info("commandstats").get("cmdstat_eval", {})
        self.client.eval(CONTROL, 0, rounds)
        after = self.client.info("commandstats")["cmdstat_eval"]
        return after["usec"] - before.get("usec", 0)

    def run(self):
        while not self.stopping.wait(0.01):
            self.client.eval(CONTROL, 0, self.rounds)

    def stop(self):
        self.stopping.set()
        self.thread.join()


class Slices:
    """The durations of all commands while it is open, by their names."""

    def __init__(self, cache, server):
        self.cache, self.server = cache, server

    def __enter__(self):
        self.control = Control(self.server)
        self.cache.config_set("slowlog-max-len", 1000000)
        self.cache.config_set("slowlog-log-slower-than", 0)
        self.cache.slowlog_reset()
        self.control.thread.start()
        return self

    def __exit__(self, *_):
        self.control.stop()
        self.cache.config_set("slowlog-log-slower-than", -1)
        self.durations = {}
        for entry in self.cache.slowlog_get(1000000):
            name = entry["command"].split(b" ")[0].decode()
            self.durations.setdefault(name, []).append(entry["duration"])

    def judge(self, *names):
        """Tells them beside the control; true if they are short."""
        limit = max(0.01, self.show("EVAL", "control"))
        found = [self.show(name, name) for name in names]
        return all(share is not None and share <= limit for share in found)

    def show(self, name, label):
        """The share of slow ones; None if their median is slow."""
        found = sorted(self.durations.get(name, [0]))
        share = sum(us > SLOW_US for us in found) / len(found)
        print(f"  {label}: {len(found)} calls,"
              f" median {percentile(found, .5)} us,"
              f" p99 {percentile(found, .99)} us, max {found[-1]} us,"
              f" {100 * share:.2f} % above {SLOW_US} us", flush=True)
        return share if percentile(found, .5) <= SLOW_US else None


def measure_scan(database, cache, server, daemon, options):
    quiet, busy, removed, is_good = [], [], 0, True
    while len(busy) < options.samples:
        fill(cache, options.keys)
        with Slices(cache, server):
            quiet += sample(database, cache, options.samples // 4)
        mark = daemon.mark()
        with Slices(cache, server) as slices:
            database.execute("TRUNCATE page")
            busy += sample(database, cache, options.samples - len(busy),
                           lambda: not daemon.events("task.done", after=mark))
            wait_quiet(database, 600)
        done = daemon.wait_for_event("task.done", after=mark)
        removed += done["keys"]
        print(f"a scan of {options.keys} keys took {done['us'] / 1e6:.2f} s")
        is_good &= slices.judge("SCAN", "UNLINK")
    quiet.sort()
    busy.sort()
    tell("without a scan", quiet)
    tell("with a scan", busy)
    ratio = percentile(busy, .99) / percentile(quiet, .99)
    print(f"keys removed: {removed};"
          f" p99 with a scan is {ratio:.2f} times that without")
    return is_good and ratio <= 3


def measure_drain(database, cache, server, daemon, options, table, key):
    fill_set(cache, key, options.keys // 5)
    mark = daemon.mark()
    with Slices(cache, server) as slices:
        database.execute(f"UPDATE {table} SET n = n + 1")
        wait_quiet(database, 600)
    done = daemon.wait_for_event("task.done", after=mark)
    print(f"draining {key} of {done['keys']} keys took"
          f" {done['us'] / 1e6:.2f} s")
    return slices.judge("EVALSHA") and done["keys"] == options.keys // 5


def measure(database, cache, server, daemon, options):
    is_good = measure_scan(database, cache, server, daemon, options)
    is_good &= measure_drain(database, cache, server, daemon, options,
                             "tagged", "tag:1")
    cache.sadd("schemes:cached", "id")
    is_good &= measure_drain(database, cache, server, daemon, options,
                             "cached", "conj:cached:id=1")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    return is_good


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
        database.execute(SCHEMA)
        cache = redis.start().client(decode_responses=False)
        config = Config(database.conninfo(), redis.url, GRAPH,
                        {"log": {"level": "info"}})
        install(config)
        daemon = Daemon(config).start()
        is_good = measure(database, cache, redis, daemon, options)
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
