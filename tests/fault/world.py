"""An application at work while faults happen, and the judge of its cache.

The tournament application of histories/tournament.py: writers run its mix of
transactions, and all other kinds of statements, without a pause; readers fill
the cache with its pages all the while, each fill late by as much as its SELECT
takes. The daemon invalidates. When the fault is over and everything has been
applied, check() compares every key that Redis holds with the database.

    with world.at_work():           # writers and readers
        world.wait_for_work()
        server.pause() ...
    world.check()                   # quiet, and not one value stale

Every key is under a fence rule, and readers fill as docs/recipes/fence.md says
(WATCH on one connection), so that no fill is the application's own fault. With
fenced=False the rules are those of conf/graph.yaml and only fill() fills, while
all writers hold still.

With a second server, it is the target "second": what is of a model in SECOND
goes to it alone, and each target has readers of its own.

No writer may fail, or wait for longer than PATIENCE: a statement that does is
cancelled by the server, and that is a failure. Where the server is to go away
itself: reconnect=True.
"""

import random
import re
import threading
from contextlib import contextmanager

import psycopg2
import redis

from harness.flow import install, wait_quiet
from harness.mirror import ABSENT, Writers
from harness.postgres import run
from harness.wait import wait_until
from histories.tournament import (TournamentCase, TournamentStatements,
                                  VALUES)

PATIENCE = "4s"     # far more than the outbox costs, less than any fault lasts
N_WRITERS = 2
N_READERS = 2       # of each target

ALL_TEAMS = range(1, 41)

SECOND = ("team", "draft_round", "user")

# What the mix of the application lacks.
OTHER_KINDS = [
    "INSERT INTO app_team (id, name, tournament_id, captain_id)"
    " VALUES ({team}, 'again {salt}', {tournament}, {user})"
    " ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
    " tournament_id = excluded.tournament_id",
    "MERGE INTO app_team AS t USING (SELECT {team}::bigint AS id) AS s"
    " ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = 'merged {salt}'"
    " WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'merged')",
    "WITH gone AS (DELETE FROM app_game WHERE id = (SELECT max(id) FROM"
    " app_game) RETURNING radiant_team_id) UPDATE app_team SET"
    " current_points = 0 WHERE id IN (SELECT radiant_team_id FROM gone)",
    "UPDATE app_game SET round = {user} WHERE id % 7 = {tournament} % 7",
    "SAVEPOINT s; UPDATE app_team SET name = 'never' WHERE id = {team};"
    " ROLLBACK TO SAVEPOINT s;"
    " UPDATE app_tournament SET name = 'Cup {salt}' WHERE id = {tournament}",
    "DO $$ BEGIN FOR n IN 1..5 LOOP UPDATE app_team SET current_points ="
    " current_points + n WHERE id = {team}; END LOOP; END $$",
    "CREATE TEMP TABLE IF NOT EXISTS incoming (user_id bigint, mmr int);"
    " TRUNCATE incoming; INSERT INTO incoming VALUES ({user}, {salt});"
    " UPDATE app_customuser SET mmr = i.mmr FROM incoming AS i"
    " WHERE id = i.user_id",
]


class Mix(TournamentStatements):
    """The application's transactions and all other kinds of statements, each
    as one string."""

    def transaction(self):
        if self.rng.random() < 0.5:
            return "; ".join(super().transaction())
        text = self.rng.choice(OTHER_KINDS).format(
            user=self.rng.randint(1, 60), team=self.rng.choice(ALL_TEAMS),
            tournament=self.rng.randint(1, 8), salt=self.rng.randrange(10000))
        end = "ROLLBACK" if self.rng.random() < 0.05 else "COMMIT"
        return f"BEGIN; {text}; {end}"


class Application(Writers):
    """Two writers may meet, and one of them be a victim; that is the
    application's own affair."""

    tolerated = (psycopg2.errors.DeadlockDetected,
                 psycopg2.errors.ForeignKeyViolation,
                 psycopg2.errors.UniqueViolation)

    def __init__(self, database, seed, reconnect):
        mixes = [Mix(random.Random(f"{seed} {n}")) for n in range(N_WRITERS)]
        super().__init__(
            database, lambda n: [mixes[n % N_WRITERS].transaction()],
            N_WRITERS, reconnect)

    def prepare(self, session):
        run(session, f"SET statement_timeout = '{PATIENCE}';"
                     "SET deadlock_timeout = '20ms'")

    def pause(self):
        # The machine is to be shared with the daemon.
        self.stopping.wait(0.002)


class Reader(threading.Thread):
    """Reads pages of a target through the cache, and fills it with what it
    lacks."""

    def __init__(self, world, seed, target="default"):
        super().__init__(daemon=True)
        self.world = world
        self.target = target
        self.keys = world.keys_of(target)
        self.rng = random.Random(f"reader {seed}")
        self.n_hits = self.n_fills = self.n_late = 0
        self.failures = []
        self.stopping = threading.Event()

    def run(self):
        session = None
        while not self.stopping.is_set() and not self.failures:
            try:
                with self.world.server_of(self.target).client(
                        socket_timeout=2) as cache:
                    session = session or self.world.connect()
                    while not self.stopping.wait(0.001):
                        self.read(cache, session)
            except redis.RedisError:
                self.stopping.wait(0.05)        # it is the cache that is away
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                session = None
                self.stopping.wait(0.05)
            except Exception as error:          # shown by the test
                self.failures.append(error)
        if session is not None:
            session.close()

    def read(self, cache, session):
        key = self.rng.choice(self.keys)
        if cache.exists(key):
            self.n_hits += 1
            return
        with cache.pipeline() as pipe:
            pipe.watch(*self.world.fences(key))
            rows = run(session, self.world.one_value, key)
            pipe.multi()
            pipe.set(key, rows[0][0] if rows else ABSENT)
            try:
                pipe.execute()
                self.n_fills += 1
            except redis.WatchError:
                self.n_late += 1


class World:
    """database is fresh; the daemon reaches Redis at redis_url, if it is
    given (a proxy), and Postgres at conninfo. second: another server, see
    above."""

    # A key is asked for by the name that it has in VALUES.
    one_value = f"SELECT value FROM ({VALUES}) AS page (key, value)" \
        " WHERE key = %s"

    def __init__(self, database, redis_server, make_config, make_daemon,
                 redis_url=None, conninfo=None, settings=None, fenced=True,
                 reconnect=False, seed=1, second=None):
        self.database = database
        self.redis_server = redis_server
        self.second_server = second
        self.targets = ["default"] + (["second"] if second else [])
        self.make_daemon = make_daemon
        self.fenced = fenced
        self.reconnect = reconnect
        self.seed = seed
        self.application = None
        self.readers = []
        self.daemon = None
        TournamentCase.create(database)
        self.keys = sorted(self.truth()) + [
            f"game:{n}" for n in range(101, 161)]
        self.config = make_config(
            database.conninfo(), redis_url or redis_server.url, self.graph(),
            {"retry_max": "500ms", "postgres": {"notify": "adaptive"},
             "log": {"changes_per_second": 5}})
        if second is not None:
            self.config.write_settings(
                {"redis": {"targets": {"second": {"url": second.url}}}})
        install(self.config)
        if conninfo is not None:
            settings = dict(settings or {})
            settings["postgres"] = {**settings.get("postgres", {}),
                                    "conninfo": conninfo}
        self.config.write_settings(settings)

    def graph(self):
        """conf/graph.yaml, its keys fenced, and those of SECOND there."""
        text = TournamentCase.graph()
        if "second" in self.targets:
            text = re.sub(
                rf'invalidate: \["((?:{"|".join(SECOND)}):[^"]+)"\]',
                r'invalidate: [{fence: "\1", hold: 1h, target: second}]', text)
        if not self.fenced:
            return text
        text = re.sub(r'invalidate: \["([^"]+)"\]',
                      r'invalidate: [{fence: "\1", hold: 1h}]', text)
        text = re.sub(r'- key: ("[^"]+")', r'- fence: \1', text)
        return re.sub(r'- ("[^"]+") +# \{id\}', r'- fence: \1 # {id}', text)

    @staticmethod
    def fences(key):
        model = key.partition(":")[0]
        return [f"fence:{key}", f"fence:{model}:*"]

    def server_of(self, target):
        return self.second_server if target == "second" else self.redis_server

    def keys_of(self, target):
        return [key for key in self.keys if target == (
            "second" if "second" in self.targets and
            key.partition(":")[0] in SECOND else "default")]

    def connect(self):
        return self.database.server.connect(self.database.name)

    # The application and the daemon.

    def start(self, **options):
        """Start the daemon; at_work() does it, too."""
        self.daemon = self.make_daemon(self.config, **options)
        return self.daemon

    @contextmanager
    def at_work(self):
        """Daemon, writers, and readers. A failure of theirs is the test's."""
        if self.daemon is None:
            self.start()
        self.application = Application(self.database, self.seed,
                                       self.reconnect)
        if self.fenced:
            self.readers = [Reader(self, n, target) for target in self.targets
                            for n in range(N_READERS)]
        for reader in self.readers:
            reader.start()
        try:
            with self.application:
                yield self
        finally:
            for reader in self.readers:
                reader.stopping.set()
            for reader in self.readers:
                reader.join(30)
        failures = self.failures()
        assert not failures, failures

    def failures(self):
        return self.application.failures + [
            error for reader in self.readers for error in reader.failures]

    def wait_for_writes(self, n=20, timeout=60):
        """Until each writer has written n times more."""
        wait_until(self.application.have_written(n), timeout,
                   f"{n} more rounds of each writer")
        assert not self.failures(), self.failures()

    def wait_for_work(self, n=20, timeout=60):
        """Until changes are being applied while writers write, and readers,
        if there are any, fill each target."""
        before = self.fills()
        self.wait_for_writes(n, timeout)
        self.wait_for_applied(timeout)
        wait_until(lambda: not self.readers or self.failures() or all(
            now > then + n for now, then in zip(self.fills(), before)),
            timeout, "fills")

    def fills(self):
        """Of each target, ever."""
        return [sum(reader.n_fills for reader in self.readers
                    if reader.target == target) for target in self.targets]

    def wait_for_applied(self, timeout=60):
        """Until what is in the outbox now is acknowledged, though more comes
        all the while. (The log tells of changes later than they are.)"""
        last = self.database.value(
            "SELECT coalesce(max(id), 0) FROM pgripple.outbox")
        wait_until(lambda: self.database.value(
            "SELECT NOT EXISTS (SELECT FROM pgripple.outbox WHERE id <= %s)",
            last), timeout, "changes that are applied")

    # The judge.

    def truth(self):
        return dict(self.database.execute(VALUES))

    def client(self):
        return self.redis_server.client()

    def fill(self):
        """Cache all pages as the database has them. While the application is
        at work its writers hold still for so long."""
        if self.application is not None:
            with self.application.held():
                self.fill_held()
        else:
            self.fill_held()

    def fill_held(self):
        """The same for who holds them already."""
        truth = self.truth()
        for target in self.targets:
            with self.server_of(target).client() as cache:
                cache.mset({key: truth.get(key, ABSENT)
                            for key in self.keys_of(target)})

    def cached(self):
        """Every key of Redis that is none of pgripple's own, and its value."""
        return {key: value for target in self.targets
                for key, value in self.cached_in(target).items()}

    def cached_in(self, target):
        with self.server_of(target).client() as cache:
            keys = [key for key in cache.scan_iter(count=1000)
                    if not key.startswith(("fence:", "pgripple:"))]
            values = cache.mget(keys) if keys else []
        return {key: value for key, value in zip(keys, values)
                if value is not None}

    def stale(self):
        """The keys that hold what the database does not say. Nobody may write
        now."""
        truth = self.truth()
        return sorted(key for key, value in self.cached().items()
                      if value != truth.get(key, ABSENT))

    def check(self, timeout=60, least=1):
        """All writers have ended: when everything has been applied, no value
        is stale. least: as many must be there, or this says nothing."""
        wait_quiet(self.database, timeout)
        stale = self.stale()
        assert not stale, (f"{len(stale)} stale values: {stale[:10]}\n"
                           f"{self.daemon.tail()}")
        n_cached = len(self.cached())
        assert n_cached >= least, f"but {n_cached} values are cached"

    def close(self):
        if self.application is not None:
            self.application.stop()
        for reader in self.readers:
            reader.stopping.set()
        for reader in self.readers:
            reader.join(30)
