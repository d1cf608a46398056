"""The ways to be told of changes that bench/run.sh compares, each in a database
of its own, with a Redis database of its own."""

import os
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests/system"))

from harness.daemon import Config, Daemon, run_cli  # noqa: E402
from harness.http import Web  # noqa: E402
from harness.wait import wait_until  # noqa: E402

N_ACCOUNTS = 10_000             # that pgbench updates; those above are probed
N_PROBED = 1_000

TABLES = f"""
CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL, filler text);
INSERT INTO account SELECT n, 0, repeat('x', 80)
    FROM generate_series(1, {N_ACCOUNTS + N_PROBED}) n;
CREATE TABLE item (id int PRIMARY KEY, balance int NOT NULL);
INSERT INTO item SELECT n, 0 FROM generate_series(1, %(n_items)s) n;
CREATE TABLE bulk (LIKE account INCLUDING ALL);
INSERT INTO bulk SELECT n, 0, repeat('x', 80)
    FROM generate_series(1, %(n_bulk)s) n;
"""
MODELS = ("account", "item", "bulk")

GRAPH = "models:\n" + "".join(
    f'  {name}:\n    table: {name}\n    invalidate: ["{name}:{{id}}"]\n'
    for name in MODELS)

NAIVE = """
CREATE FUNCTION naive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('naive', json_build_object(
        'table', TG_TABLE_NAME, 'id', NEW.id)::text);
    RETURN NULL;
END $$;
""" + "".join(f"""
CREATE TRIGGER naive AFTER UPDATE ON {name} FOR EACH ROW
    EXECUTE FUNCTION naive();
""" for name in MODELS)


class Way:
    """No triggers, and nobody who listens."""

    n_made = 0

    def __init__(self, servers, name, sizes):
        self.postgres, self.redis = servers
        self.name = name
        self.database = self.postgres.create_database(name)
        self.database.execute(TABLES % sizes(name))
        Way.n_made += 1
        self.redis_db = Way.n_made
        self.cache = self.redis.client(db=self.redis_db)
        self.prepare()
        self.database.execute("VACUUM ANALYZE")

    def prepare(self):
        pass

    def start(self):
        pass

    def stop(self):
        pass

    def kill(self):
        pass

    def settle(self):
        """Return when all that was committed has been acted upon."""


class Listener(Way):
    """The naive trigger, and a program that listens."""

    def __init__(self, servers, name, sizes, command):
        self.command = command
        super().__init__(servers, name, sizes)

    def prepare(self):
        self.database.execute(NAIVE)

    def start(self):
        self.process = subprocess.Popen(
            [*self.command, self.database.conninfo(), self.redis.socket,
             str(self.redis_db)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", self.name
        self.pid = self.process.pid

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    kill = stop

    def settle(self):
        """Notifications come in order."""
        key = N_ACCOUNTS + N_PROBED
        self.cache.set(f"account:{key}", "x")
        self.database.execute(
            "UPDATE account SET balance = balance + 1 WHERE id = %s", key)
        wait_until(lambda: not self.cache.exists(f"account:{key}"), 300,
                   f"{self.name} to catch up")


class Decoding(Listener):
    """No triggers: what reads the log."""

    def prepare(self):
        self.database.execute(
            "CREATE PUBLICATION peer FOR ALL TABLES WITH (publish = 'update')")
        self.database.execute(
            "SELECT pg_create_logical_replication_slot('peer', 'pgoutput')")


class Pgripple(Way):
    def prepare(self):
        url = f"unix://{self.redis.socket}?db={self.redis_db}"
        self.config = Config(self.database.conninfo(), url, GRAPH, {
            "postgres": {"notify": self.name}, "log": {"level": "warning"}})
        done = run_cli("install", "-c", self.config.path)
        assert done.status == 0, done.stdout + done.stderr

    def start(self):
        """Its log begins at warnings, and has no word of being ready."""
        self.daemon = Daemon(self.config).start(wait=False)
        self.pid = self.daemon.pid
        wait_until(self.is_ready, what="a daemon that is ready")

    def is_ready(self):
        try:
            return Web(self.config).ready()[0] == 200
        except OSError:
            return False

    def stop(self):
        self.settle()
        self.daemon.stop()

    def kill(self):
        self.daemon.kill()

    def settle(self):
        wait_until(lambda: not self.database.value(
            "SELECT EXISTS (SELECT FROM pgripple.outbox)"), 300,
            f"{self.name} to catch up")


def make_ways(servers, logical, build, sizes):
    """All of them, by their names; logical is a Postgres with that wal_level,
    sizes(name) says how many rows their tables have."""
    peers = os.path.join(ROOT, "bench/peers")
    ways = [Way(servers, "none", sizes)]
    ways += [Pgripple(servers, mode, sizes)
             for mode in ("adaptive", "always", "never")]
    ways += [Listener(servers, name, sizes, command) for name, command in (
        ("naive_c", [os.path.join(ROOT, build, "bench/naive")]),
        ("python", ["/usr/bin/python3", os.path.join(peers, "listener.py")]),
        ("node", ["node", os.path.join(peers, "listener.mjs")]))]
    ways.append(Decoding((logical, servers[1]), "decoding", sizes, [
        "node", os.path.join(peers, "decoding.mjs")]))
    return {way.name: way for way in ways}


def cpu_seconds(pid):
    """Of all threads, to the nanosecond (/proc/PID/stat has ticks)."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


def peak_kb(pid):
    """The most resident memory so far."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status
                    if line.startswith("VmHWM:"))


class Frozen:
    """A process stands still inside the block."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


class Deletions:
    """Redis's events of keys that are deleted, in one of its databases."""

    def __init__(self, way):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(way.redis.socket)
        self.socket.settimeout(30)
        self.socket.sendall(
            f"SUBSCRIBE __keyevent@{way.redis_db}__:del\r\n".encode())
        self.wait_for(b"subscribe")

    def wait_for(self, word):
        seen = b""
        while word not in seen:
            piece = self.socket.recv(65536)
            assert piece, "Redis hung up"
            seen += piece

    def close(self):
        self.socket.close()


def now():
    return time.perf_counter()
