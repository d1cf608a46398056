#!/usr/bin/env python3
"""Does anything grow? Millions of changes through one daemon.

    soak.py --changes 20000000              half an hour
    soak.py --changes 200000 --every 2      half a minute

One writer commits single rows, the other statements of a hundred, both as fast
as the daemon follows. Every --every seconds they hold still: once the outbox is
empty every key that was cached before must be gone, and a sample is taken:
resident memory, open files, size of outbox, tasks and state, and the latency of
single changes. Autovacuum looks as often. In the end the trend of each is asked
for (the median of the slopes between all pairs of samples, which single odd
ones do not move), over the last three quarters of the run; growth beyond its
bound is a failure.
"""

import argparse
import itertools
import os
import statistics
import sys
import threading
import time
from collections import namedtuple

sys.path.insert(1, os.path.join(os.path.dirname(__file__), "../system"))

from harness.daemon import Config, Daemon       # needs the path
from harness.flow import install, vanished, wait_quiet, warm
from harness.http import Web
from harness.postgres import Postgres, run
from harness.redis_server import RedisServer
from harness.wait import wait_until

N_ITEMS = 10_000
N_SHELVES = 100
N_NOTES = 100
BACKLOG = 2000      # changes that may wait before the writers do
REST_S = 0.1        # between a thousand rows and the next, for single ones
N_LATENCIES = 25

GRAPH = """\
    models:
      item: {table: item, invalidate: ["item:{id}"]}
      shelf: {table: shelf, invalidate: ["shelf:{id}:{name}"]}
      note:
        table: note
        invalidate:
          - key: "note:{id}"
            repeat_after: 100ms
    relations:
      - item.shelf_id -> shelf.id
    """

TABLES = f"""
CREATE TABLE shelf (id int PRIMARY KEY, name text);
CREATE TABLE item (id int PRIMARY KEY, shelf_id int, n bigint DEFAULT 0);
CREATE TABLE note (id int PRIMARY KEY, n bigint DEFAULT 0);
INSERT INTO shelf SELECT n, 'shelf ' || n FROM generate_series(1, {N_SHELVES})
    AS n;
INSERT INTO item SELECT n, 1 + n % {N_SHELVES} FROM
    generate_series(1, {N_ITEMS}) AS n;
INSERT INTO note SELECT n FROM generate_series(1, {N_NOTES}) AS n;
CREATE PROCEDURE singles(first int, n_times int) LANGUAGE plpgsql AS $$ BEGIN
    FOR i IN first..first + n_times - 1 LOOP
        UPDATE item SET n = n + 1 WHERE id = 1 + i % {N_ITEMS};
        COMMIT;
    END LOOP;
    UPDATE note SET n = n + 1 WHERE id = 1 + first / n_times % {N_NOTES};
END $$;
CREATE PROCEDURE hundreds(first int, n_times int) LANGUAGE plpgsql AS $$ BEGIN
    FOR i IN 0..n_times - 1 LOOP
        UPDATE item SET n = n + 1 WHERE id > first + 100 * i
            AND id <= first + 100 * (i + 1);
        COMMIT;
    END LOOP;
END $$;
"""

Sample = namedtuple("Sample", "seconds rows changes rss_kb files outbox_kb"
                    " task_kb state_kb latency_ms")

# The most that each may grow over the measured part, as a share of its median,
# and in its own unit: the larger one counts.
BOUNDS = {"rss_kb": (0.03, 256), "files": (0, 0), "outbox_kb": (0.05, 512),
          "task_kb": (0.05, 128), "state_kb": (0.05, 512),
          "latency_ms": (0.25, 0.5)}


class Soak:
    def __init__(self, naptime):
        self.postgres = Postgres(fsync="off",
                                 autovacuum_naptime=f"{naptime:.0f}s")
        self.redis_server = RedisServer()
        self.config = self.daemon = None

    def start(self):
        self.postgres.start()
        self.redis_server.start()
        self.database = self.postgres.create_database("soak")
        self.database.execute(TABLES)
        self.config = Config(
            self.database.conninfo(), self.redis_server.url, GRAPH,
            {"postgres": {"notify": "adaptive"},
             "log": {"level": "info", "changes_per_second": 0}})
        install(self.config)
        self.daemon = Daemon(self.config).start()
        self.web = Web(self.config)
        self.cache = self.redis_server.client()
        self.keys = [
            *(f"item:{n}" for n in range(1, N_ITEMS + 1)),
            *(f"shelf:{n}:shelf {n}" for n in range(1, N_SHELVES + 1))]
        self.rows = 0
        self.lock = threading.Lock()
        self.failures = []
        self.stopping = threading.Event()
        self.cycle = itertools.cycle(range(0, N_ITEMS, 1000))
        self.numbers = itertools.count(0, 500)
        self.begun = time.monotonic()

    def remove(self):
        if self.daemon is not None:
            self.daemon.kill()
        for thing in (self.postgres, self.redis_server, self.config):
            if thing is not None:
                thing.remove()

    # Writing.

    def n_changes(self):
        return int(sum(value for name, value in self.web.metrics().items()
                       if name.startswith("pgripple_changes_total")))

    def backlog(self, session):
        written = run(session, "SELECT last_value FROM pgripple.outbox_id_seq")
        return written[0][0] - self.n_changes()

    def write(self, step, until):
        """step(session) -> rows, again and again."""
        session = self.database.connect()
        try:
            while not until():
                n_rows = step(session)
                with self.lock:
                    self.rows += n_rows
                if self.backlog(session) > BACKLOG:
                    wait_until(lambda: self.backlog(session) < BACKLOG / 2, 60,
                               "the daemon to follow")
        except Exception as error:      # shown at the end
            self.failures.append(error)
        finally:
            session.close()
            self.database.connections.remove(session)

    def single(self, session):
        run(session, f"CALL singles({next(self.numbers)}, 500)")
        return 501

    def hundreds(self, session):
        run(session, f"CALL hundreds({next(self.cycle)}, 10)")
        self.n_hundreds += 1
        self.stopping.wait(REST_S)
        return 1000

    def burst(self, seconds):
        """At least that long, and until every item has changed."""
        end = time.monotonic() + seconds
        self.n_hundreds = 0

        def is_over():
            return self.failures or (
                time.monotonic() >= end
                and self.n_hundreds >= N_ITEMS / 1000)
        writers = [threading.Thread(target=self.write, args=(step, is_over))
                   for step in (self.single, self.hundreds)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        if self.failures:
            raise self.failures[0]

    # Looking.

    def latency_ms(self):
        """From a single change to the key's end."""
        begun = time.monotonic()
        warm(self.cache, "item:1")
        self.database.execute("UPDATE item SET n = n + 1 WHERE id = 1")
        wait_until(lambda: not self.cache.exists("item:1"), 30, "the key")
        return 1000 * (time.monotonic() - begun)

    def sizes_kb(self):
        return self.database.execute(
            "SELECT pg_total_relation_size('pgripple.outbox') / 1024,"
            " pg_total_relation_size('pgripple.task') / 1024,"
            " (pg_total_relation_size('pgripple.state') +"
            " pg_total_relation_size('pgripple.progress')) / 1024")[0]

    def sample(self):
        latencies = [self.latency_ms() for _ in range(N_LATENCIES)]
        self.rows += N_LATENCIES
        wait_quiet(self.database, 60)
        return Sample(
            time.monotonic() - self.begun, self.rows, self.n_changes(),
            self.daemon.rss_kb(),
            len(os.listdir(f"/proc/{self.daemon.pid}/fd")), *self.sizes_kb(),
            statistics.median(latencies))

    def round(self, seconds):
        warm(self.cache, *self.keys)
        self.burst(seconds)
        wait_quiet(self.database, 120)
        stale = set(self.keys) - vanished(self.cache, self.keys)
        assert not stale, f"{len(stale)} stale values: {sorted(stale)[:10]}"
        return self.sample()


def growth(samples, name):
    """By the median slope, over the time of the samples."""
    points = [(sample.seconds, getattr(sample, name)) for sample in samples]
    slopes = [(b[1] - a[1]) / (b[0] - a[0])
              for a, b in itertools.combinations(points, 2)]
    return statistics.median(slopes) * (points[-1][0] - points[0][0])


def judge(samples):
    """Prints each trend; the names of those past their bound."""
    samples = samples[len(samples) // 4:]
    too_much = []
    for name, (share, least) in BOUNDS.items():
        middle = statistics.median(getattr(s, name) for s in samples)
        grown = growth(samples, name)
        bound = max(share * middle, least)
        print(f"{name}: median {middle:.4g}, grew by {grown:.4g}"
              f" (at most {bound:.4g})")
        if grown > bound:
            too_much.append(name)
    return too_much


def soak(n_changes, seconds):
    samples = []
    world = Soak(naptime=min(seconds, 60))
    try:
        world.start()
        while len(samples) < 8 or samples[-1].changes < n_changes:
            samples.append(world.round(seconds))
            print(" ".join(f"{name}={value:.4g}" if name == "latency_ms" else
                           f"{name}={value:.0f}" for name, value in
                           samples[-1]._asdict().items()), flush=True)
        world.daemon.stop()
        return judge(samples)
    finally:
        world.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--changes", type=int, default=20_000_000)
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS")
    options = parser.parse_args()
    too_much = soak(options.changes, options.every)
    if too_much:
        sys.exit(f"soak: grows: {', '.join(too_much)}")


if __name__ == "__main__":
    main()
