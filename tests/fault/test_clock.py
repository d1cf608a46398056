"""Clocks that are set: the time of day jumps, of the daemon's machine or of
Postgres's, while everything is at work. Nothing that waits goes by it."""

import datetime
import os
import shutil
import struct
import subprocess

import pytest

from harness.flow import install, wait_quiet, warm
from harness.postgres import ROOT, Database
from harness.process import make_folder
from harness.wait import wait_until

pytestmark = pytest.mark.once       # sanitizers want to be loaded first

HOUR = 3600
YEAR = 365 * 24 * HOUR

# What the clock is wrong by, one after the other.
STEPS = [HOUR, -HOUR, 0, YEAR, -YEAR, 0]

FAILURES = ["postgres.down", "redis.down", "batch.failed", "task.failed",
            "redis.went_back", "redis.whole_models", "postgres.went_back",
            "capture.gap_opened", "daemon.stuck"]

ITEMS = """
    CREATE TABLE item (id integer PRIMARY KEY, n integer DEFAULT 0);
    INSERT INTO item SELECT generate_series(1, 100);
"""

REPEATING = """
    models:
      item:
        table: item
        invalidate: [{ key: "item:{id}", repeat_after: 1s }]
"""


class Clock:
    """The time of day of those who run with env."""

    def __init__(self, folder):
        self.folder = folder
        self.shim = os.path.join(folder, "stepped_clock.so")
        self.file = os.path.join(folder, "step")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o",
             self.shim, os.path.join(ROOT, "tests/fault/stepped_clock.c")],
            check=True)
        os.chmod(folder, 0o755)         # the server runs as another user
        self.step(0)
        self.env = {"LD_PRELOAD": self.shim, "CLOCK_STEP": self.file}

    def step(self, seconds):
        """In place: it is mapped."""
        with open(self.file, "r+b" if os.path.exists(self.file) else
                  "wb") as file:
            file.write(struct.pack("q", seconds))
        self.seconds = seconds

    def prefix(self):
        return ["env", *(f"{name}={value}"
                         for name, value in self.env.items())]


@pytest.fixture
def clock():
    made = Clock(make_folder("pgripple-clock-"))
    yield made
    shutil.rmtree(made.folder)


def seconds_off(event):
    """By how much the time of a line of the log is wrong."""
    then = datetime.datetime.fromisoformat(event["ts"].replace("Z", "+00:00"))
    return (then - datetime.datetime.now(datetime.timezone.utc)
            ).total_seconds()


def check_that_nothing_failed(daemon):
    failures = [event for name in FAILURES for event in daemon.events(name)]
    assert not failures, failures[:5]


def test_the_daemons_clock_is_set(make_world, redis_server, clock):
    world = make_world(redis_server, settings={
        "redis": {"look_interval": "300ms"},
        "postgres": {"heartbeat": "500ms"}})
    daemon = world.start(env=clock.env)
    with world.at_work():
        for step in STEPS:
            world.wait_for_work()
            clock.step(step)
            world.wait_for_work()
            # The log is read a little later than it is written.
            wait_until(lambda: abs(seconds_off(daemon.events()[-1]) - step)
                       < 30, 20, "lines with the clock's time")
    world.check()
    for step in STEPS:
        clock.step(step)
        mark = daemon.mark()
        wait_until(lambda: len(daemon.events(
            "postgres.state", mark, to="beating")) >= 3, 10, "heartbeats")
    check_that_nothing_failed(daemon)


def test_silence_is_noticed_though_the_daemons_clock_is_set(
        make_postgres, make_redis, make_config, make_daemon, clock):
    servers = {"postgres": make_postgres(), "redis": make_redis()}
    database = Database(servers["postgres"], "postgres")
    config = configure(database, servers["redis"], make_config)
    config.write_settings({"redis": {"command_timeout": "1s"}})
    daemon = make_daemon(config, env=clock.env)
    for step in STEPS:
        for peer, server in servers.items():
            mark = daemon.mark()
            server.pause()
            clock.step(step)
            daemon.wait_for_event(f"{peer}.down", 15, after=mark)
            mark = daemon.mark()
            server.resume()
            daemon.wait_for_event("daemon.ready", after=mark)


class Items:
    """A daemon at work on "item", and what it does for a row."""

    def __init__(self, database, cache, daemon):
        self.database = database
        self.cache = cache
        self.daemon = daemon

    def touch(self, number):
        """The first time it is gone at once; it is filled again, late."""
        key = f"item:{number}"
        warm(self.cache, key)
        self.database.execute("UPDATE item SET n = n + 1 WHERE id = %s",
                              number)
        wait_until(lambda: not self.cache.exists(key), what=key)
        warm(self.cache, key)

    def wait_for_repeat(self, number, timeout=10):
        key = f"item:{number}"
        wait_until(lambda: not self.cache.exists(key), timeout,
                   f"{key} to be removed again")


def configure(database, redis_server, make_config):
    database.execute(ITEMS)
    config = make_config(database.conninfo(), redis_server.url, REPEATING,
                         {"postgres": {"notify": "adaptive",
                                       "heartbeat": "500ms"}})
    install(config)
    return config


def start(database, redis_server, cache, make_config, make_daemon, **options):
    config = configure(database, redis_server, make_config)
    return Items(database, cache, make_daemon(config, **options))


def test_repeats_come_though_the_daemons_clock_is_set(
        database, redis_server, cache, make_config, make_daemon, clock):
    items = start(database, redis_server, cache, make_config, make_daemon,
                  env=clock.env)
    for number, step in enumerate(STEPS, 1):
        items.touch(number)
        clock.step(step)
        items.wait_for_repeat(number)
    wait_quiet(database)
    check_that_nothing_failed(items.daemon)


@pytest.fixture
def stepped(make_postgres, clock):
    """A database of a server that goes by the clock."""
    server = make_postgres(start=False)
    command = server.command
    server.command = lambda: [*clock.prefix(), *command()]
    return Database(server.start(), "postgres")


def test_the_clock_of_postgres_is_set(stepped, redis_server, cache,
                                      make_config, make_daemon, clock):
    database = stepped
    items = start(database, redis_server, cache, make_config, make_daemon)
    for number, step in enumerate(STEPS, 1):
        items.touch(number)
        clock.step(step)
        items.wait_for_repeat(number)
        items.touch(number)
        items.wait_for_repeat(number)
    wait_quiet(database)
    check_that_nothing_failed(items.daemon)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_frozen_daemon_is_replaced_though_the_clock_is_set(
        stepped, redis_server, make_config, make_daemon, clock, step):
    config = configure(stepped, redis_server, make_config)
    frozen = make_daemon(config)
    other = make_daemon(config, wait=False)
    other.wait_for_event("daemon.standby")
    frozen.pause()
    clock.step(step)
    other.wait_for_event("postgres.took_over", 20)
    other.wait_for_event("daemon.ready")
