"""Every nth allocation fails; the daemon is killed at every nth system call.

A short life of the daemon, from its start to the last of some changes, over and
over, each time with another fault. After each nothing may be acknowledged that
Redis still holds; a daemon that lives on must come to the end; and what was left
behind the next one must do.

$PGRIPPLE_EVERY_NTH=1 tries each n (scripts/test-long.sh), 7 each seventh; else a
sample is tried.
"""

import collections
import json
import os
import subprocess

import pytest

from harness.flow import install, wait_quiet
from harness.postgres import ROOT
from harness.wait import wait_until

pytestmark = pytest.mark.once       # sanitizers have a malloc of their own

SAMPLE = 12
MOST_CALLS = 40     # of each name
N_ROWS = 6

TABLES = """
    CREATE TABLE parent (id bigint PRIMARY KEY, n bigint DEFAULT 0);
    CREATE TABLE child (id bigint PRIMARY KEY, parent_id bigint,
                        n bigint DEFAULT 0);
    INSERT INTO parent SELECT generate_series(1, 6);
    INSERT INTO child SELECT i, i FROM generate_series(1, 6) AS i;
"""

GRAPH = """
    models:
      parent: { table: parent, invalidate: ["parent:{id}"] }
      child:
        table: child
        invalidate: [{ fence: "child:{id}", repeat_after: 20ms }]
    relations:
      - child.parent_id -> parent.id
"""

# By their names, for each counts on its own.
CALLS = ["connect", "sendto", "recvfrom", "read", "write", "writev", "close",
         "epoll_ctl", "epoll_wait", "socket", "mmap", "brk", "openat"]

TRUTH = """
    SELECT 'child:' || id, n::text FROM child
    UNION ALL
    SELECT 'parent:' || p.id, p.n || '/' || coalesce(sum(c.n), 0)
        FROM parent AS p LEFT JOIN child AS c ON c.parent_id = p.id
        GROUP BY p.id
"""

# Keys whose change waits: what is stale under them is nobody's fault.
WAITING = """
    SELECT table_name || ':' || (image ->> 'id') FROM (
        SELECT split_part(change ->> 'table', '.', 2) AS table_name,
            json_array_elements(change -> 'new') AS image
        FROM pgripple.outbox) AS changes
    UNION
    SELECT 'parent:' || (image ->> 'parent_id') FROM (
        SELECT json_array_elements(change -> 'new') AS image
        FROM pgripple.outbox
        WHERE change ->> 'table' = 'public.child') AS changes
"""


class Life:
    """A life of the daemon, to be had again and again."""

    def __init__(self, database, cache, config, make_daemon):
        self.database = database
        self.cache = cache
        self.config = config
        self.make_daemon = make_daemon
        self.ends = collections.Counter()

    def truth(self):
        return dict(self.database.execute(TRUTH))

    def change(self, row):
        self.database.execute(
            "UPDATE child SET n = n + 1 WHERE id = %s", row)
        self.database.execute(
            "UPDATE parent SET n = n + 1 WHERE id = %s", row % N_ROWS + 1)

    def is_done(self):
        return self.database.value(
            "SELECT NOT EXISTS (SELECT FROM pgripple.outbox)"
            " AND NOT EXISTS (SELECT FROM pgripple.task)")

    def live(self, what, env=None, patience=30):
        """One life; afterwards nothing may have been acknowledged wrongly."""
        self.cache.mset(self.truth())
        daemon = self.make_daemon(self.config, wait=False, env=env)
        for row in range(1, 4):
            self.change(row)
        wait_until(lambda: self.is_done() or not daemon.is_running(), patience,
                   f"the end, or that of the daemon: {what}")
        self.ends[daemon.process.poll()] += 1
        daemon.kill()
        self.judge(what, daemon)

    def judge(self, what, daemon):
        waiting = {key for key, in self.database.execute(WAITING)}
        truth = self.truth()
        held = self.cache.mget(list(truth))
        wrong = [key for (key, value), seen in zip(truth.items(), held)
                 if seen not in (None, value) and key not in waiting]
        assert not wrong, f"{what}: {wrong} are acknowledged, and stale\n" \
            + daemon.tail()

    def tell(self, name):
        print(json.dumps({name: sum(self.ends.values()), "ends": {
            str(end): n for end, n in self.ends.items()}}))

    def make_good(self):
        """The next daemon, with which nothing is wrong."""
        daemon = self.make_daemon(self.config)
        wait_quiet(self.database)
        daemon.kill()
        truth = self.truth()
        held = self.cache.mget(list(truth))
        assert not [key for (key, value), seen in zip(truth.items(), held)
                    if seen not in (None, value)]


@pytest.fixture
def life(database, redis_server, cache, make_config, make_daemon):
    database.execute(TABLES)
    config = make_config(database.conninfo(), redis_server.url, GRAPH,
                         {"retry_max": "200ms",
                          "postgres": {"notify": "adaptive",
                                       "poll_interval": "100ms"}})
    install(config)
    return Life(database, cache, config, make_daemon)


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    path = tmp_path_factory.mktemp("shim") / "failing_malloc.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-o", path,
         os.path.join(ROOT, "tests/fault/failing_malloc.c")], check=True)
    return str(path)


def choose(numbers, sample):
    """As many, spread over them; or each nth."""
    numbers = list(numbers)
    step = os.environ.get("PGRIPPLE_EVERY_NTH")
    if step is not None:
        return numbers[::int(step)]
    step = max(1, len(numbers) // sample)
    return numbers[step // 2::step][:sample]


def count_allocations(life, shim, path):
    """Of a life in which nothing fails."""
    life.cache.mset(life.truth())
    daemon = life.make_daemon(life.config, env={
        "LD_PRELOAD": shim, "MALLOC_COUNT": str(path)})
    for row in range(1, 4):
        life.change(row)
    wait_quiet(life.database)
    daemon.stop()
    return int(path.read_text())


def sweep(life, name, lives):
    for what, env in lives:
        life.live(what, env)
    life.make_good()
    life.tell(name)


def test_an_allocation_that_fails_loses_nothing(life, shim, tmp_path):
    n_all = count_allocations(life, shim, tmp_path / "count")
    assert n_all > 500
    sweep(life, "allocations", [
        (f"allocation {n} of {n_all}",
         {"LD_PRELOAD": shim, "MALLOC_FAILS_AT": str(n)})
        for n in choose(range(1, n_all + 1), SAMPLE)])


def test_no_memory_from_some_moment_on_loses_nothing(life, shim, tmp_path):
    n_all = count_allocations(life, shim, tmp_path / "count")
    for n in choose(range(1, n_all + 1), SAMPLE // 2):
        life.cache.mset(life.truth())
        daemon = life.make_daemon(life.config, wait=False, env={
            "LD_PRELOAD": shim, "MALLOC_FAILS_AT": str(n),
            "MALLOC_FAILS_ON": "1"})
        for row in range(1, 4):
            life.change(row)
        wait_until(lambda: life.is_done() or not daemon.is_running()
                   or len(daemon.events()) > 300, 30, "what comes of it")
        life.ends[daemon.process.poll()] += 1
        daemon.kill()
        life.judge(f"no memory from allocation {n} on", daemon)
    life.make_good()
    life.tell("no memory")


def test_killed_at_any_system_call_it_loses_nothing(life, monkeypatch):
    for call, n in choose([(call, n) for n in range(1, MOST_CALLS + 1)
                           for call in CALLS], SAMPLE):
        monkeypatch.setenv(
            "PGRIPPLE_WRAPPER", "strace -D -qq -o /dev/null -e trace="
            f"{call} -e inject={call}:signal=KILL:when={n}")
        life.live(f"killed at {call} {n}")
        monkeypatch.delenv("PGRIPPLE_WRAPPER")
    life.make_good()
    life.tell("system calls")
    assert life.ends[-9] >= SAMPLE // 2
