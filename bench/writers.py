#!/usr/bin/python3
"""What capture costs the writers: transactions a second with pgbench, each way
against no triggers at all, in interleaved rounds of one run.

    bench/writers.py [--rounds 5] [--seconds 5] [--clients 8] [--build build]

Ways: bare (no triggers), least (a trigger that inserts constants into a table:
less no outbox can do), naive (a row trigger that calls pg_notify with the row as
JSON, and a listener), and pgripple: its triggers alone, and with each notify
setting, the daemon running. A transaction updates one row of 10,000 by its key.
Then the time of one UPDATE of 100,000 rows. Prints medians, and the ratio to
bare.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests/system"))

from harness.daemon import Config, Daemon, run_cli  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.redis_server import RedisServer  # noqa: E402

GRAPH = """\
models:
  account:
    table: account
    invalidate: ["account:{id}"]
  branch:
    table: branch
    invalidate: ["branch:{id}"]
relations:
  - account.branch_id -> branch.id
"""

TABLES = """
CREATE TABLE branch (id int PRIMARY KEY, name text);
CREATE TABLE account (id int PRIMARY KEY, branch_id int REFERENCES branch,
    balance int NOT NULL, filler text);
INSERT INTO branch SELECT n, 'branch ' || n FROM generate_series(1, 100) n;
INSERT INTO account SELECT n, n % 100 + 1, 0, repeat('x', 80)
    FROM generate_series(1, {rows}) n;
CREATE TABLE bulk (LIKE account INCLUDING ALL);
INSERT INTO bulk SELECT n, n % 100 + 1, 0, repeat('x', 80)
    FROM generate_series(1, 100000) n;
"""

NAIVE = """
CREATE FUNCTION naive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('naive', row_to_json(NEW)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER naive AFTER UPDATE ON account FOR EACH ROW
    EXECUTE FUNCTION naive();
CREATE TRIGGER naive AFTER UPDATE ON bulk FOR EACH ROW
    EXECUTE FUNCTION naive();
"""

LEAST = """
CREATE TABLE constant (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change text);
CREATE FUNCTION constant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO constant (change) VALUES ('always the same');
    RETURN NULL;
END $$;
CREATE TRIGGER constant AFTER UPDATE ON account
    REFERENCING OLD TABLE AS o NEW TABLE AS n EXECUTE FUNCTION constant();
CREATE TRIGGER constant AFTER UPDATE ON bulk
    REFERENCING OLD TABLE AS o NEW TABLE AS n EXECUTE FUNCTION constant();
"""


class Way:
    """One way to be told of changes, in a database of its own."""

    def __init__(self, server, name, rows):
        self.name = name
        self.database = server.create_database(name)
        self.database.execute(TABLES.format(rows=rows))
        self.database.execute("VACUUM ANALYZE")

    def start(self):
        pass

    def stop(self):
        pass


class Least(Way):
    def __init__(self, server, name, rows):
        super().__init__(server, name, rows)
        self.database.execute(LEAST)

    def stop(self):
        self.database.execute("TRUNCATE constant")


class Naive(Way):
    def __init__(self, server, name, rows):
        super().__init__(server, name, rows)
        self.database.execute(NAIVE)
        self.stopping = threading.Event()

    def start(self):
        self.stopping.clear()
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        import select
        connection = self.database.connect()
        connection.cursor().execute("LISTEN naive")
        while not self.stopping.is_set():
            select.select([connection], [], [], 0.1)
            connection.poll()
            connection.notifies.clear()
        connection.close()

    def stop(self):
        self.stopping.set()
        self.thread.join()


class Pgripple(Way):
    def __init__(self, server, mode, rows, redis, name=None):
        super().__init__(server, name or f"pgripple_{mode}", rows)
        graph = GRAPH.replace("relations:", "  bulk:\n    table: bulk\n"
                              '    invalidate: ["bulk:{id}"]\nrelations:')
        self.config = Config(self.database.conninfo(), redis.url, graph,
                             {"postgres": {"notify": mode},
                              "log": {"level": "warning"}})
        done = run_cli("install", "-c", self.config.path)
        assert done.status == 0, done.stdout + done.stderr

    def start(self):
        self.daemon = Daemon(self.config).start(wait=False)

    def stop(self):
        while self.database.value(
                "SELECT EXISTS (SELECT FROM pgripple.outbox)"):
            time.sleep(0.05)
        self.daemon.stop()


class Triggers(Pgripple):
    """Nobody reads the outbox, and nobody sleeps: no doorbell rings."""

    def __init__(self, server, rows, redis):
        super().__init__(server, "adaptive", rows, redis, "triggers")

    def start(self):
        pass

    def stop(self):
        self.database.execute("TRUNCATE pgripple.outbox")


def pgbench(server, way, options, synchronous):
    """Transactions a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        os.chmod(script.name, 0o644)
        script.write(f"\\set id random(1, {options.rows})\n"
                     "UPDATE account SET balance = balance + 1"
                     " WHERE id = :id;\n")
        script.flush()
        done = server.run_tool(
            "pgbench", "-n", "-M", "prepared", "-f", script.name,
            "-c", str(options.clients), "-j", "2", "-T", str(options.seconds),
            way.database.conninfo(
                options=f"-c synchronous_commit={synchronous}"))
    return float(re.search(r"tps = ([\d.]+)", done.stdout).group(1))


def bulk(way):
    """Seconds of one UPDATE of 100,000 rows."""
    way.database.execute("VACUUM bulk")
    started = time.monotonic()
    way.database.execute("UPDATE bulk SET balance = balance + 1")
    return time.monotonic() - started


def table(title, unit, results, bigger_is_better):
    print(f"\n{title}\n{'':18} {unit:>9}  ratio to bare")
    bare = statistics.median(results["bare"])
    for name, values in results.items():
        median = statistics.median(values)
        digits = 0 if bigger_is_better else 3
        print(f"{name:18} {median:9.{digits}f}  {median / bare:.2f}"
              f"   (from {min(values):.{digits}f} to"
              f" {max(values):.{digits}f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    # In memory synchronous_commit costs nothing.
    os.environ.setdefault("PGRIPPLE_FILES", "/var/tmp")
    os.environ["PGRIPPLE_BUILD"] = os.path.abspath(options.build)

    server = Postgres(shared_buffers="256MB", max_wal_size="8GB")
    redis = RedisServer()
    try:
        server.start()
        redis.start()
        ways = [Way(server, "bare", options.rows),
                Least(server, "least", options.rows),
                Naive(server, "naive", options.rows),
                Triggers(server, options.rows, redis)]
        ways += [Pgripple(server, mode, options.rows, redis)
                 for mode in ("adaptive", "always", "never")]
        for synchronous in ("on", "off"):
            results = {way.name: [] for way in ways}
            for _ in range(options.rounds):
                for way in ways:
                    way.start()
                    results[way.name].append(
                        pgbench(server, way, options, synchronous))
                    way.stop()
            table(f"single-row updates, {options.clients} clients,"
                  f" synchronous_commit {synchronous}", "tps", results, True)
        results = {way.name: [] for way in ways}
        for _ in range(options.rounds):
            for way in ways:
                way.start()
                results[way.name].append(bulk(way))
                way.stop()
        table("UPDATE of 100,000 rows", "seconds", results, False)
    finally:
        server.remove()
        redis.remove()


if __name__ == "__main__":
    main()
