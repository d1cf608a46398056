#!/usr/bin/env python3
"""Random faults against a steady load: is anything lost, is anyone hurt?

    chaos.py --minutes 60           with a new seed
    chaos.py --minutes 3 --seed 7   the schedule of faults of that seed again

The application of world.py is at work on a Postgres, a Redis and a daemon of
its own, with proxies on both of the daemon's ways. Fault after fault of
chaos_faults.py begins, lasts and ends, now and then two at a time; every kind
comes once before any comes again. Before each all pages are cached; after each
the writers hold still, and when all that was committed is applied every key of
Redis is compared with the database. At the end the daemon is killed, and the
same judge must find stale keys: else it has shown nothing.

The seed decides the faults, their order and duration, and what the writers
write; what meets what is up to the machine. Exit status 1 if a stale key was
found after a recovery, a writer failed for no reason of its own, the daemon
ended by itself or rejected a change, or nothing was proven.
"""

import argparse
import json
import os
import random
import statistics
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import psycopg2

sys.path.insert(1, os.path.join(os.path.dirname(__file__), "../system"))

from harness.daemon import Config, Daemon       # needs the path
from harness.flow import wait_quiet
from harness.postgres import Postgres, run
from harness.proxy import proxy_to_postgres, proxy_to_redis
from harness.redis_server import RedisServer
from harness.wait import wait_until
from chaos_faults import FAULTS
from world import Application, Reader, World

RECOVERY_S = 120            # whatever takes longer is taken for lost
SHORT_FAULT_S = 4.0         # four of five last no longer
WORTH_A_LOG_S = 15          # what a recovery may take, else one wants to know
WARM_UP_MINUTES = 1         # of a process: its growth says nothing yet
TWO_AT_A_TIME = 0.3
N_ROUNDS_OF_CONTROL = 400
FIRST_OF_OPEN_WRITERS = 901

# So that much is noticed in a short time.
SETTINGS = {
    "redis": {"command_timeout": "1s", "connect_timeout": "1s",
              "look_interval": "300ms"},
    # A statement that vanished while the server is alive (only something that
    # ends TCP in between can lose one) is noticed so, or by heartbeats.
    "postgres": {"statement_timeout": "5s"},
    "log": {"level": "info"},
}


class Load(Application):
    """Writers who bear it that their own server is away, and nothing else."""

    def __init__(self, database, seed):
        super().__init__(database, seed, reconnect=True)
        self.n_victims = self.n_away = 0
        self.is_away = False
        self.back_since = 0.0

    @contextmanager
    def away(self):
        """Their server, or their sessions, may be gone in here."""
        self.is_away = True
        yield
        self.back_since = time.monotonic()
        self.is_away = False

    def pause(self):
        self.stopping.wait(0.005)

    def prepare(self, session):
        run(session, "SET application_name = 'writer'")
        super().prepare(session)

    def _write(self, place):
        session = None
        number = place
        while not self.stopping.is_set():
            number += len(self.threads)
            try:
                with self.gates[place]:
                    begun = time.monotonic()
                    if session is None:
                        known_alive = begun
                        session = self._connect()
                    self._do_round(session, place, number)
                    known_alive = begun
            except psycopg2.Error as error:
                session = self.usable(session)
                self.judge(error, known_alive if session is None else begun)
                self.stopping.wait(0.05)
            self.pause()
        if session is not None:
            session.close()

    def _do_round(self, session, place, number):
        before = self.counts[place]
        super()._do_round(session, place, number)
        self.n_victims += self.counts[place] == before

    def judge(self, error, since):
        """since: when the statement began; of a session that is gone, when it
        was last seen alive, for it may have ended while nobody asked."""
        if self.is_away or since <= self.back_since:
            self.n_away += 1
        else:
            self.failures.append(error)

    @staticmethod
    def usable(session):
        """The session, out of its transaction; None if it is gone."""
        try:
            run(session, "ROLLBACK")
            return session
        except (psycopg2.Error, AttributeError):
            return None


class ChaosWorld(World):
    """The servers, the daemon, a second one, and proxies on both ways."""

    def __init__(self, seed):
        self.closing = ExitStack()
        try:
            self.build(seed)
        except BaseException:
            self.closing.close()
            raise

    def build(self, seed):
        self.postgres = Postgres(fsync="off", full_page_writes="off").start()
        self.closing.callback(self.postgres.remove)
        server = RedisServer().start()
        self.closing.callback(server.remove)
        self.postgres_proxy = proxy_to_postgres(self.postgres)
        self.closing.callback(self.postgres_proxy.close)
        self.redis_proxy = proxy_to_redis(server)
        self.closing.callback(self.redis_proxy.close)
        database = self.postgres.create_database("chaos")
        super().__init__(
            database, server, self.make_config, self.make_one,
            redis_url=f"redis://127.0.0.1:{self.redis_proxy.port}/0",
            settings=SETTINGS, seed=seed)
        self.reach_postgres_by_proxy()
        self.add_users_of_open_writers()
        self.second = Daemon(self.config_of_second())

    @staticmethod
    def make_config(*args):
        return Config(*args)

    def make_one(self, config):
        daemon = Daemon(config)
        self.closing.callback(daemon.kill)
        return daemon.start()

    def reach_postgres_by_proxy(self):
        self.closing.callback(self.config.remove)
        conninfo = self.config.settings["postgres"]["conninfo"]
        self.config.write_settings({"postgres": {
            "conninfo": psycopg2.extensions.make_dsn(
                conninfo, host="127.0.0.1", port=self.postgres_proxy.port)}})

    def config_of_second(self):
        settings = {name: self.config.settings[name]
                    for name in ("postgres", "redis", "log", "retry_max")}
        second = Config("", "", self.graph(), settings)
        self.closing.callback(second.remove)
        return second

    def add_users_of_open_writers(self):
        self.users_of_open_writers = range(FIRST_OF_OPEN_WRITERS,
                                           FIRST_OF_OPEN_WRITERS + 3)
        for user in self.users_of_open_writers:
            self.database.execute(
                "INSERT INTO app_customuser (id, username, mmr)"
                " VALUES (%s, %s, 1)", user, f"open{user}")
            self.keys.append(f"user:{user}")

    def client(self, **more):
        return self.redis_server.client(**more)

    def start_load(self):
        self.start()
        self.application = Load(self.database, self.seed)
        self.readers = [Reader(self, f"{self.seed} {n}") for n in range(2)]
        for thread in [*self.application.threads, *self.readers]:
            thread.start()

    def stop(self):
        """Whatever fault the run has ended in."""
        self.second.kill()
        for server in (self.postgres, self.redis_server):
            if server.is_running():
                server.resume()
        self.close()
        self.closing.close()


class Slope:
    """By how much a value of a process grows in a minute. A process that was
    started again is another one: only what grows within one counts, and not
    while it warms up."""

    def __init__(self):
        self.samples = {}

    def add(self, process, value):
        self.samples.setdefault(process, []).append(
            (time.monotonic() / 60, value))

    def highest(self):
        return max((value for points in self.samples.values()
                    for _, value in points), default=0)

    def per_minute(self):
        above = below = 0.0
        for points in self.samples.values():
            points = [point for point in points
                      if point[0] >= points[0][0] + WARM_UP_MINUTES]
            if not points:
                continue
            middle = statistics.fmean(minute for minute, _ in points)
            mean = statistics.fmean(value for _, value in points)
            above += sum((minute - middle) * (value - mean)
                         for minute, value in points)
            below += sum((minute - middle) ** 2 for minute, _ in points)
        return f"{above / below:+.2f} a minute" if below else \
            "no process lived for long enough to tell a slope"


class Chaos:
    """One run."""

    def __init__(self, seed, longest):
        self.seed = seed
        self.longest = longest
        self.rng = random.Random(f"chaos {seed}")
        self.world = ChaosWorld(seed)
        self.bag = []
        self.injected = Counter()
        self.lost = []              # (faults, keys)
        self.ends = []              # of the daemon, by itself
        self.aborted = None         # why the run ended early
        self.n_checks = self.n_compared = 0
        self.recoveries = []        # (seconds, faults)
        self.rss_kb, self.n_fds = Slope(), Slope()
        self.n_stale_without = None
        self.timer = threading.Event()
        self.since = time.monotonic()

    def run(self, minutes):
        self.world.start_load()
        self.world.wait_for_work()
        deadline = time.monotonic() + 60 * minutes
        try:
            while time.monotonic() < deadline:
                self.run_one(self.draw(), self.duration())
            self.run_control()
        except AssertionError as error:
            self.aborted = str(error)

    def duration(self):
        short = min(SHORT_FAULT_S, self.longest)
        if self.rng.random() < 0.8:
            return self.rng.uniform(0.2, short)
        return self.rng.uniform(short, self.longest)

    def draw(self):
        """One fault, or two at different places; each kind comes once before
        any comes again."""
        drawn = [self.take(lambda fault: True)]
        if self.rng.random() < TWO_AT_A_TIME:
            drawn.append(self.take(
                lambda fault: fault.place != drawn[0].place))
        return [fault for fault in drawn if fault is not None]

    def take(self, is_fit):
        if not self.bag:
            self.bag = self.rng.sample(FAULTS, len(FAULTS))
        fits = [fault for fault in self.bag if is_fit(fault)]
        if fits:
            self.bag.remove(fits[0])
        return fits[0] if fits else None

    def run_one(self, faults, seconds):
        name = " and ".join(fault.name for fault in faults)
        world = self.world
        world.fill()
        mark = world.daemon.mark()
        with ExitStack() as stack:
            if any(fault.away for fault in faults):
                stack.enter_context(world.application.away())
            for fault in faults:
                stack.enter_context(fault.run(world))
                self.injected[fault.name] += 1
            self.timer.wait(seconds)
        ended = time.monotonic()
        self.notice_end(name)
        try:
            world.wait_for_applied(RECOVERY_S)
        except AssertionError as error:
            raise AssertionError(f"after {name}: {error}\n"
                                 f"{world.daemon.tail()}") from None
        self.recoveries.append((time.monotonic() - ended, name))
        n_stale = self.compare(name)
        if n_stale or self.recoveries[-1][0] > WORTH_A_LOG_S:
            self.print_log(mark)
        self.sample()
        print(f"{ended - self.since:7.1f} s  {name}: {seconds:.1f} s, applied"
              f" after {self.recoveries[-1][0]:.2f} s, {n_stale} stale",
              flush=True)

    def notice_end(self, name):
        if not self.world.daemon.is_running():
            self.ends.append(f"after {name}: {self.world.daemon.tail()}")
            self.world.daemon.start(wait=False)

    def compare(self, name):
        """While nobody writes, and nothing waits."""
        world = self.world
        with world.application.held():
            wait_quiet(world.database, RECOVERY_S)
            stale = world.stale()
            self.n_compared += len(world.cached())
            self.n_checks += 1
            if stale:
                self.lost.append((name, stale))
                with world.client() as client:
                    client.delete(*stale)
        return len(stale)

    def print_log(self, mark):
        for event in self.world.daemon.events(after=mark):
            if event.get("event") not in ("change.applied",
                                          "changes.applied"):
                print("    ", json.dumps(event))

    def sample(self):
        pid = self.world.daemon.pid
        self.rss_kb.add(pid, self.world.daemon.rss_kb())
        self.n_fds.add(pid, len(os.listdir(f"/proc/{pid}/fd")))

    def run_control(self):
        """Without the daemon the same must be stale; with it, no more."""
        world = self.world
        world.daemon.kill()
        world.fill()
        enough = sum(world.application.counts) + N_ROUNDS_OF_CONTROL
        wait_until(lambda: sum(world.application.counts) >= enough,
                   RECOVERY_S, "writes without a daemon")
        with world.application.held():
            self.n_stale_without = len(world.stale())
        world.daemon.start()
        world.wait_for_applied(RECOVERY_S)
        self.compare("the control")

    def n_lost(self):
        return sum(len(keys) for _, keys in self.lost)

    def failures(self):
        """What must not be."""
        world = self.world
        found = [f"{len(keys)} stale keys after {name}: {keys[:5]}"
                 for name, keys in self.lost]
        found += [f"a writer: {error!r}"
                  for error in world.application.failures[:10]]
        found += [f"a reader: {error!r}" for reader in world.readers
                  for error in reader.failures]
        found += [f"the daemon ended: {end}" for end in self.ends]
        found += world.daemon.sanitizer_reports()
        found += world.second.sanitizer_reports()
        n_rejected = world.database.value(
            "SELECT count(*) FROM pgripple.rejected")
        if n_rejected:
            found.append(f"{n_rejected} changes were rejected")
        if self.aborted is not None:
            found.append(self.aborted)
        elif not self.n_stale_without:
            found.append("the judge finds nothing stale without a daemon")
        return found

    def print_summary(self):
        application = self.world.application
        minutes = (time.monotonic() - self.since) / 60
        longest, slowest = max(self.recoveries, default=(0.0, "none"))
        median = statistics.median(
            [seconds for seconds, _ in self.recoveries] or [0.0])
        n_changes = self.world.database.value(
            "SELECT last_value FROM pgripple.outbox_id_seq")
        print(f"\nseed {self.seed}, {minutes:.1f} minutes\n"
              f"committed         {sum(application.counts)} transactions,"
              f" {n_changes} changes\n"
              f"faults            {sum(self.injected.values())} of"
              f" {len(self.injected)} kinds (there are {len(FAULTS)})\n"
              f"compared          {self.n_checks} times,"
              f" {self.n_compared} cached values\n"
              f"stale (lost)      {self.n_lost()}\n"
              f"writers' errors   {len(application.failures)}"
              f" ({application.n_away} more while their server was away,"
              f" {application.n_victims} victims of each other)\n"
              f"recovery          median {median:.2f} s,"
              f" longest {longest:.2f} s ({slowest})\n"
              f"memory            at most {self.rss_kb.highest()} kB,"
              f" {self.rss_kb.per_minute()}\n"
              f"descriptors       at most {self.n_fds.highest()},"
              f" {self.n_fds.per_minute()}\n"
              f"control           {self.n_stale_without} stale without a"
              f" daemon")
        self.print_counts("faults", self.injected)
        self.print_counts("the daemon said", Counter(
            event["event"] for event in self.world.daemon.events()
            if event.get("level") in ("warning", "error")))

    @staticmethod
    def print_counts(title, counts):
        print(f"{title}:")
        for name, count in sorted(counts.items()):
            print(f"{count:6}  {name}")


def main():
    parser = argparse.ArgumentParser(
        description="Random faults against a steady load.")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--longest", type=float, default=15,
                        help="so many seconds may a fault last")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chaos = Chaos(options.seed, options.longest)
    try:
        chaos.run(options.minutes)
        failures = chaos.failures()
        chaos.print_summary()
    finally:
        chaos.world.stop()
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
