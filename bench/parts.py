"""What bench/run.sh measures. Each part takes a Bench and adds samples to it:
part, way, variant, figure, value; a part takes all ways in turn, round by
round."""

import contextlib
import os
import re
import subprocess
import tempfile
import threading
import time

from ways import (N_ACCOUNTS, N_PROBED, ROOT, Deletions, Frozen, cpu_seconds,
                  now, peak_kb, wait_until)

UPDATE = "UPDATE account SET balance = balance + 1 WHERE id = "
FILL = """
for i = tonumber(ARGV[2]), tonumber(ARGV[3]) do redis.call('SET', ARGV[1] .. i, 'x') end
"""
LISTENING = ("adaptive", "always", "naive_c", "python", "node", "decoding")


@contextlib.contextmanager
def at_work(way):
    """A way that fails is not waited for."""
    way.start()
    try:
        yield way
        way.stop()
    except BaseException:
        way.kill()
        raise


def pgbench(way, clients, synchronous, *more):
    """Transactions a second; each updates one row by its key."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        os.chmod(script.name, 0o644)
        script.write(f"\\set id random(1, {N_ACCOUNTS})\n{UPDATE}:id;\n")
        script.flush()
        done = way.postgres.run_tool(
            "pgbench", "-n", "-M", "prepared", "-f", script.name, "-c",
            str(clients), "-j", "2", *map(str, more), way.database.conninfo(
                options=f"-c synchronous_commit={synchronous}"))
    return float(re.search(r"tps = ([\d.]+)", done.stdout).group(1))


def fill(way, model, first, last):
    for start in range(first, last + 1, 10_000):
        way.cache.eval(FILL, 0, f"{model}:", start,
                       min(start + 9_999, last))


# Writers.

def writers(bench):
    """Transactions a second."""
    for _ in range(bench.rounds):
        for clients in (1, 8, 32):
            for synchronous in ("on", "off"):
                for way in bench.ways.values():
                    with at_work(way):
                        bench.add("writers", way, f"{clients}/{synchronous}",
                                  "tps", pgbench(way, clients, synchronous,
                                                 "-T", bench.seconds))


# Latency.

def probe(way, pause, goes_on):
    """Milliseconds from the return of COMMIT until the key's deletion."""
    events = Deletions(way)
    connection = way.postgres.connect(way.name)
    cursor = connection.cursor()
    found = []
    while goes_on(len(found)):
        row = N_ACCOUNTS + 1 + len(found) % (N_PROBED - 10)
        key = f"account:{row}"
        way.cache.set(key, "x")
        cursor.execute(f"{UPDATE}{row}")
        start = now()
        events.wait_for(f"\n{key}\r".encode())
        found.append((now() - start) * 1000)
        time.sleep(pause)
    events.close()
    connection.close()
    return found


def probe_under(way, rate, seconds):
    load = threading.Thread(target=pgbench, args=(
        way, 8, "off", "-R", rate, "-T", seconds))
    load.start()
    try:
        return probe(way, 0.002, lambda _: load.is_alive())
    finally:
        load.join()


def saturation(bench, way):
    """What the writers part found, if it ran."""
    try:
        return bench.median("writers", way.name, "8/off", "tps")
    except KeyError:
        return pgbench(way, 8, "off", "-T", bench.seconds)


@contextlib.contextmanager
def transaction(way):
    """Held open, and rolled back."""
    connection = way.postgres.connect(way.name, autocommit=False)
    try:
        yield connection.cursor()
    finally:
        connection.close()


def latency(bench):
    """At idle, at 1,000/s, at 80 % of what the way's writers reach, and with a
    writing transaction held open."""
    n = bench.samples
    for _ in range(bench.rounds):
        for name in LISTENING:
            way = bench.ways[name]
            with at_work(way):
                saturated = saturation(bench, way)
                bench.add_all("latency", way, "idle", "ms",
                              probe(way, 0.01, lambda done: done < n))
                bench.add_all("latency", way, "1,000/s", "ms",
                              probe_under(way, 1000, 2 * bench.seconds))
                bench.add_all("latency", way, "80 %", "ms", probe_under(
                    way, max(1, int(saturated * 0.8)), 2 * bench.seconds))
                with transaction(way) as cursor:
                    cursor.execute(f"{UPDATE}{N_ACCOUNTS + N_PROBED - 5}")
                    bench.add_all("latency", way, "writer open", "ms",
                                  probe(way, 0.002, lambda done: done < n))


# What a change costs.

def cost(bench):
    """WAL, the listener's processor time and memory, with 8 writers."""
    for _ in range(bench.rounds):
        for way in bench.ways.values():
            with at_work(way):
                measure_cost(bench, way)


def measure_cost(bench, way):
    each = bench.changes // 8
    listens = hasattr(way, "pid")
    lsn = way.database.value("SELECT pg_current_wal_insert_lsn()")
    spent = cpu_seconds(way.pid) if listens else 0
    pgbench(way, 8, "off", "-t", each)
    way.settle()
    bytes_ = way.database.value(
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)", lsn)
    bench.add("cost", way, "8 clients", "WAL bytes",
              float(bytes_) / (8 * each))
    if listens:
        spent = cpu_seconds(way.pid) - spent
        bench.add("cost", way, "8 clients", "CPU s per 100,000",
                  spent * 100_000 / (8 * each))
        bench.add("cost", way, "8 clients", "peak RSS kB", peak_kb(way.pid))


# Backlogs.

def write_singly(way, n):
    """n transactions, each of one row of its own."""
    connection = way.postgres.connect(
        way.name, options="-c synchronous_commit=off")
    connection.cursor().execute(f"""
        DO $$ BEGIN FOR i IN 1..{n} LOOP
            UPDATE item SET balance = balance + 1 WHERE id = i;
            COMMIT;
        END LOOP; END $$""")
    connection.close()


def n_present(way, n):
    """How many of item:1 to item:n Redis holds; a count of all keys, with the
    daemon's marks, says when to look."""
    if way.cache.execute_command("DBSIZE") > \
            way.others + 10:
        return n
    return sum(way.cache.exists(*[f"item:{i}" for i in
                                  range(start, min(start + 1000, n + 1))])
               for start in range(1, n + 1, 1000))


def drain(way, n):
    """Changes a second, and the listener's processor seconds."""
    way.settle()
    way.others = way.cache.execute_command("DBSIZE")
    fill(way, "item", 1, n)
    with Frozen(way.pid):
        write_singly(way, n)
        spent = cpu_seconds(way.pid)
        start = now()
    while n_present(way, n) > 0:
        assert now() - start < 300, f"{way.name} does not drain"
        time.sleep(0.001)
    took = now() - start
    way.settle()
    return n / took, cpu_seconds(way.pid) - spent


def backlog(bench):
    n = bench.backlog
    for _ in range(bench.rounds):
        for name in LISTENING:
            way = bench.ways[name]
            with at_work(way):
                rate, spent = drain(way, n)
                bench.add("backlog", way, f"{n:,}", "changes/s", rate)
                bench.add("backlog", way, f"{n:,}", "CPU s per 100,000",
                          spent * 100_000 / n)
                bench.add("backlog", way, f"{n:,}", "peak RSS kB",
                          peak_kb(way.pid))
        bench.add("backlog", bench.ways["adaptive"], "bare SQL", "changes/s",
                  bare_sql(bench.ways["adaptive"], n))


def bare_sql(way, n):
    """Fetch and acknowledge, as the daemon does, with nobody in between: one
    psql, a transaction for each of both."""
    write_singly(way, n)
    ids = [row[0] for row in way.database.execute(
        "SELECT id FROM pgripple.outbox ORDER BY id")]
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        os.chmod(script.name, 0o644)
        above = 0
        for start in range(0, len(ids), 500):
            batch = ids[start:start + 500]
            listed = ",".join(map(str, batch))
            script.write(FETCH.format(above=above) + ACKNOWLEDGE.format(listed))
            above = batch[-1]
        script.flush()
        started = now()
        way.postgres.run_tool(
            "psql", "-X", "-q", "-A", "-t", "-o", "/dev/null", "-d",
            way.database.conninfo(), "-f", script.name)
        return len(ids) / (now() - started)


FETCH = "SELECT * FROM pgripple.fetch_changes({above}, 500, 1048576, false);\n"
ACKNOWLEDGE = "SELECT pgripple.acknowledge('{{{}}}');\n"


def snapshot(bench):
    """Ten drains of 50,000 under one snapshot: nothing can be vacuumed."""
    way = bench.ways["adaptive"]
    with at_work(way):
        drain(way, bench.backlog)
        with transaction(way) as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT count(*) FROM item")
            for nth in range(1, 11):
                rate, _ = drain(way, bench.backlog)
                bench.add("snapshot", way, f"{nth}", "changes/s", rate)


# One large statement.

def bulk(bench):
    ways = [bench.ways[name] for name in bench.bulk_ways]
    for _ in range(bench.rounds):
        for n in bench.bulk:
            for way in ways:
                with at_work(way):
                    measure_bulk(bench, way, n)


def measure_bulk(bench, way, n):
    listens = hasattr(way, "pid")
    way.database.execute("VACUUM bulk")
    way.settle()
    others = way.cache.execute_command("DBSIZE")
    if listens:
        fill(way, "bulk", 1, n)
    start = now()
    way.database.execute("UPDATE bulk SET balance = balance + 1"
                         f" WHERE id <= {n}")
    bench.add("bulk", way, f"{n:,}", "s", now() - start)
    if listens:
        start = now()
        wait_until(lambda: way.cache.execute_command("DBSIZE") <= others + 10,
                   300, f"{way.name} to invalidate")
        bench.add("bulk", way, f"{n:,}", "s until Redis is done",
                  now() - start)
        bench.add("bulk", way, f"{n:,}", "peak RSS kB", peak_kb(way.pid))


# Flatness.

def flat(bench):
    """The daemon's processor time a change, as other things grow."""
    way = bench.ways["adaptive"]
    with at_work(way):
        drain(way, bench.flat)
        for n in bench.backlogs:
            times = max(1, min(20, 10_000 // n))
            costs = [drain(way, n)[1] / n * 1e6 for _ in range(times)]
            bench.add("flat", way, f"backlog {n:,}", "CPU us",
                      sorted(costs)[len(costs) // 2])
        held = 0
        for n in bench.cache_sizes:
            fill(way, "other", held + 1, n)
            held = n
            for _ in range(3):
                bench.add("flat", way, f"Redis {n:,} keys", "CPU us",
                          drain(way, bench.flat)[1] / bench.flat * 1e6)
    graph(bench, way)


def graph(bench, way):
    done = subprocess.run([os.path.join(ROOT, bench.build, "bench/core")],
                          check=True, stdout=subprocess.PIPE, text=True)
    for found in re.finditer(r"500 models, (.*) in a batch +(\d+) ns, "
                             r"5 models: (\d+) ns", done.stdout):
        bench.add("flat", way, f"500 models, {found[1]} in a batch",
                  "CPU us", int(found[2]) / 1000)
        bench.add("flat", way, f"5 models for {found[1]}", "CPU us",
                  int(found[3]) / 1000)


PARTS = (writers, latency, cost, backlog, snapshot, bulk, flat)
