#!/usr/bin/env python3
"""Is every cached value what SQL gives? Asked of random histories.

    oracle.py --minutes 30      seed after seed, until a value is stale
    oracle.py --seed 17         one seed again
    oracle.py --seed 17 --show  its schema and graph

A seed makes a schema, cached values made from its rows and those they refer
to, and the graph that follows from that (histories/recipe.py). Then a number of
rounds: every key is filled by SQL, writers run transactions at the same time,
and when the outbox is empty and no task is left, whatever Redis still holds
must be what the same SQL gives now.

Between the phases of a round, keys that vanished are filled anew. No
transaction is under way at that moment, so that what is read is the latest, and
nobody commits between reading and filling: the race of a reader who fills with
what he read before a commit is not pgripple's, and not part of this.
"""

import argparse
import os
import random
import shutil
import sys
import time
from collections import Counter

from harness.daemon import Config, Daemon
from harness.flow import install, wait_quiet
from harness.postgres import Postgres
from harness.process import make_folder
from harness.redis_server import RedisServer
from harness.roles import DAEMON
from histories.domains import FAMILIES
from histories.recipe import Recipe
from histories.schema import Schema
from histories.writers import SESSIONS, Statements, Writer, run_together

N_ROUNDS = 7
N_WRITERS = 4

# Small limits lead to whole models, which must not be stale either.
NO_LIMITS = {"batch_rows": 500, "touched_rows": 100000, "lookup_rows": 10000,
             "bulk_rows": 100000}
TIGHT_LIMITS = {"batch_rows": [1, 3, 500], "touched_rows": [5, 30, 100000],
                "lookup_rows": [2, 10, 10000], "bulk_rows": [3, 100000]}


class Stale(AssertionError):
    """A cached value is not what SQL gives."""


class Case:
    """What a seed makes. family: the types of all keys."""

    def __init__(self, seed, family=None):
        self.seed = seed
        self.rng = random.Random(f"case {seed}")
        if family is None and self.rng.random() < 0.15:
            family = self.rng.choice(FAMILIES)
        self.schema = Schema(self.rng, f"s{seed}", family)
        self.recipe = Recipe(self.rng, self.schema)
        self.limits = dict(NO_LIMITS)
        self.is_tight = self.rng.random() < 0.2
        if self.is_tight:
            self.limits = {name: self.rng.choice(values)
                           for name, values in TIGHT_LIMITS.items()}

    def create(self, database):
        database.execute(self.schema.ddl())

    def drop(self, database):
        database.execute(self.schema.drop())

    def graph(self):
        return self.recipe.graph()

    def values(self):
        return self.recipe.values()

    def statements(self, rng, folder):
        return Statements(rng, self.schema, folder)


class Share:
    """How many of the invalidated values had not changed."""

    def __init__(self):
        self.counts = Counter()

    def add(self, before, after, cached):
        """Values at the start and at the end of a round, and what is left."""
        for key, value in before.items():
            if after.get(key) != value:
                self.counts["changed"] += 1
            elif key in cached:
                self.counts["kept"] += 1
            else:
                self.counts["needless"] += 1

    @property
    def needless(self):
        gone = self.counts["changed"] + self.counts["needless"]
        return self.counts["needless"] / gone if gone else 0.0

    def __str__(self):
        return (f"{self.counts['changed']} values changed,"
                f" {self.counts['needless']} more were invalidated"
                f" ({self.needless:.0%} of all that were),"
                f" {self.counts['kept']} kept")


class Oracle:
    """A database with the daemon at work, for one seed after the other."""

    def __init__(self, postgres, redis_server, name="oracle"):
        self.database = postgres.create_database(name)
        self.redis_server = redis_server
        self.cache = redis_server.client()
        self.cache.flushall()
        self.folder = make_folder("pgripple-copy-")
        os.chmod(self.folder, 0o755)
        self.config = None
        self.daemon = None
        self.case = None
        self.writers = []
        self.filled = set()
        self.reloading_since = None
        self.n_rounds = 0
        self.share = Share()
        self.database.execute(
            "CREATE EXTENSION citext; CREATE COLLATION ci (provider = icu,"
            " locale = 'und-u-ks-level2', deterministic = false);"
            "SET jit = off; SET timezone = 'UTC'")

    # One seed.

    def check(self, case, n_rounds=N_ROUNDS):
        """Run the rounds of a case; raises Stale."""
        self.take_over(case)
        for n in range(n_rounds):
            self.run_round(random.Random(f"round {case.seed} {n}"), n)
            self.n_rounds += 1

    def take_over(self, case):
        """Its tables, its graph."""
        former = self.case
        case.create(self.database)
        self.case = case
        self.statement = case.values()
        self.clear()
        if self.daemon is None:
            self.start(case)
        else:
            self.reload(case)
        if former is not None:
            wait_quiet(self.database)
            former.drop(self.database)
        while len(self.writers) < N_WRITERS:
            session = SESSIONS[len(self.writers) % len(SESSIONS)]
            self.writers.append(Writer(self.database.conninfo(), session))

    def start(self, case):
        self.config = Config(
            self.database.conninfo(), self.redis_server.url,
            case.graph(), {
                "limits": case.limits, "log": {"level": "info"},
                "postgres": {"notify": "adaptive"}})
        install(self.config)
        self.daemon = Daemon(self.config).start()

    def reload(self, case):
        self.config.write_graph(case.graph())
        self.config.write_settings({"limits": case.limits})
        install(self.config)
        mark = self.daemon.mark()
        self.daemon.reload()
        self.daemon.wait_for_event("reload.done", 30, after=mark)

    # One round.

    def run_round(self, rng, n):
        statements = self.case.statements(rng, self.folder)
        self.top_up(statements)
        wait_quiet(self.database)
        before = self.fill()
        for writer in self.writers:
            writer.log = []
        n_phases = rng.choice([1, 1, 2, 3])
        for phase in range(n_phases):
            self.run_phase(rng, statements)
            if phase < n_phases - 1:
                if rng.random() < 0.3:
                    wait_quiet(self.database)
                self.fill()
        wait_quiet(self.database, 60)
        self.compare(before, n)

    def run_phase(self, rng, statements):
        """Some transactions at the same time, which the daemon sees one by one,
        or all of them late."""
        writers = rng.sample(self.writers, rng.randint(1, N_WRITERS))
        for writer in writers:
            writer.script = [sql for _ in range(rng.randint(1, 3))
                             for sql in statements.transaction()]
        disturb = rng.choice([self.reload_same, self.cut, self.kill]
                             + 9 * [None])
        is_late = disturb is None and rng.random() < 0.4
        if is_late:
            self.daemon.pause()
        try:
            run_together(rng, writers, disturb)
        finally:
            if is_late:
                self.daemon.resume()
        if self.reloading_since is not None:
            self.daemon.wait_for_event("reload.done", 30,
                                       after=self.reloading_since)
            self.reloading_since = None

    # What the daemon meets while the writers write.

    def reload_same(self):
        self.reloading_since = self.daemon.mark()
        self.daemon.reload()

    def cut(self):
        """Its sessions end, all at once."""
        self.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = %s AND datname = current_database()", DAEMON)

    def kill(self):
        self.daemon.kill()
        self.daemon.start()

    def top_up(self, statements):
        writer = self.writers[0]
        writer.log = []
        writer.script = statements.fill_up()
        run_together(statements.rng, [writer])

    # Values.

    def values(self):
        """Every key, and its value as SQL gives it."""
        return dict(self.database.execute(self.statement))

    def cached(self):
        """What Redis holds of all that was ever filled."""
        keys = sorted(self.filled)
        values = self.cache.mget(keys) if keys else []
        return {key: value for key, value in zip(keys, values)
                if value is not None}

    def clear(self):
        if self.filled:
            self.cache.delete(*self.filled)
        self.filled = set()

    def fill(self):
        """Cache what is not cached. Returns all values."""
        values = self.values()
        cached = self.cached()
        missing = {key: value for key, value in values.items()
                   if key not in cached}
        if missing:
            self.cache.mset(missing)
            self.filled.update(missing)
        return values

    def compare(self, before, n):
        after, cached = self.values(), self.cached()
        if not self.case.is_tight:
            self.share.add(before, after, cached)
        for key, value in cached.items():
            if after.get(key) != value:
                raise Stale(self.describe(n, key, value, after.get(key)))

    def describe(self, n, key, cached, value):
        histories = "".join(
            f"-- writer {number}\n" + "".join(f"{sql};\n" for sql in writer.log)
            for number, writer in enumerate(self.writers))
        return (f"seed {self.case.seed}, round {n}: {key} is stale\n"
                f"cached: {cached}\nSQL:    {value}\n"
                f"{histories}{self.daemon.tail()}\n"
                f"again: tests/system/oracle.py --seed {self.case.seed}")

    def close(self):
        """End everything; raises if the daemon came to a bad end."""
        for writer in self.writers:
            writer.close()
        try:
            if self.daemon is not None:
                self.end_daemon()
        finally:
            self.cache.close()
            self.database.drop()
            shutil.rmtree(self.folder)

    def end_daemon(self):
        try:
            self.daemon.resume()
            self.daemon.stop()
            assert not self.daemon.sanitizer_reports()
        finally:
            self.daemon.kill()
            self.config.remove()


# The command line.

def main():
    options = read_options()
    if options.show:
        case = Case(options.seed)
        print(case.schema.ddl().replace(";", ";\n"), case.graph(),
              case.values(), f"\n{case.limits}", sep="\n")
        return
    seeds = [options.seed] if options.seed is not None else endless()
    postgres = Postgres(fsync="off", full_page_writes="off",
                        synchronous_commit="off").start()
    redis_server = RedisServer().start()
    oracle = Oracle(postgres, redis_server)
    try:
        run(options, seeds, oracle)
    finally:
        oracle.close()
        postgres.remove()
        redis_server.remove()


def read_options():
    parser = argparse.ArgumentParser(
        description="Is every cached value what SQL gives?")
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=N_ROUNDS,
                        help="rounds for each seed")
    parser.add_argument("--show", action="store_true",
                        help="print schema and graph of --seed")
    return parser.parse_args()


def endless():
    seed = int(time.time())
    print(f"from seed {seed}", flush=True)
    while True:
        yield seed
        seed += 1


def run(options, seeds, oracle):
    deadline = time.monotonic() + 60 * options.minutes
    last = time.monotonic()
    for seed in seeds:
        if time.monotonic() > deadline:
            break
        try:
            oracle.check(Case(seed), options.rounds)
        except Exception:
            print(f"FAILED at seed {seed}", flush=True)
            raise
        if time.monotonic() > last + 60:
            last = time.monotonic()
            print(f"{oracle.n_rounds} rounds, seed {seed}", flush=True)
    print(f"{oracle.n_rounds} rounds: no stale value; {oracle.share}")


if __name__ == "__main__":
    sys.exit(main())
