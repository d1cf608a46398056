#!/usr/bin/python3
"""What it takes to invalidate the cached queries of changed rows: by
django-cacheops's own invalidate_obj(), for the old and the new row as save() does,
and by pgripple, from the outbox to its acknowledgement.

    bench/django_cacheops.py [--rows 10000] [--queries 2000] [--rounds 3]
                             [--build build]

The model has 20 schemes. Rounds of both alternate; medians count, since other
work on the machine slows both down. Exit status 1 if pgripple takes more than a
third of the time of cacheops, leaves a query that cacheops removes, or a call
of the script took Redis longer than 5 ms of processor time on average. Single
calls are shown as well: the clock of a busy machine counts what others do
meanwhile.
"""

import argparse
import os
import statistics
import sys
import time

import django
from django.conf import settings
from django.db import models

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
    invalidate: [cacheops: {}]
"""

FIELDS = [f"f{n}" for n in range(10)]
# Twenty: the key, each field, and pairs of them.
SCHEMES = ([["id"]] + [[field] for field in FIELDS]
           + [[FIELDS[n], FIELDS[n + 1]] for n in range(9)])
SLOW_US = 5000


def set_up_django(database, server, redis_server):
    settings.configure(
        INSTALLED_APPS=["cacheops"], CACHEOPS_REDIS=redis_server.url,
        CACHEOPS={"cacheops.*": {"ops": "all", "timeout": 3600}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        DATABASES={"default": {
            "ENGINE": "django.db.backends.postgresql", "NAME": database.name,
            "HOST": server.folder, "PORT": server.port, "USER": "postgres"}})
    django.setup()
    attributes = {field: models.IntegerField() for field in FIELDS}
    meta = type("Meta", (), {"app_label": "cacheops", "db_table": "item"})
    return type("Item", (models.Model,),
                {"__module__": __name__, "Meta": meta, **attributes})


def fill(item, n_queries):
    """Queries of all schemes, in the cache."""
    for n in range(n_queries):
        scheme = SCHEMES[n % len(SCHEMES)]
        list(item.objects.filter(
            **{field: n // len(SCHEMES) for field in scheme}))


def cached(client):
    return sum(1 for _ in client.scan_iter("q:*", count=1000))


def measure_cacheops(item, rows):
    from cacheops import invalidate_obj
    start = time.perf_counter()
    for row in rows:
        invalidate_obj(row)
        row.f0 += 1
        invalidate_obj(row)
    return time.perf_counter() - start


def measure_pgripple(database, daemon):
    """The changes are there when the daemon wakes."""
    daemon.pause()
    database.execute("UPDATE item SET f0 = f0 + 1")
    start = time.perf_counter()
    daemon.resume()
    wait_quiet(database, timeout=120)
    return time.perf_counter() - start


def processor_s(client):
    used = client.info("cpu")
    return used["used_cpu_user"] + used["used_cpu_sys"]


def measured(client, work):
    """Seconds, those of Redis's processor, and how many queries it removed."""
    before, busy = cached(client), processor_s(client)
    seconds = work()
    return seconds, processor_s(client) - busy, before - cached(client)


def script_calls(client):
    """How often, and which took Redis's clock longer than SLOW_US."""
    stats = client.info("commandstats").get("cmdstat_evalsha", {})
    slow = [entry["duration"] for entry in client.slowlog_get(5000)]
    return stats.get("calls", 0), slow


def one_round(item, rows, options, database, daemon, client):
    fill(item, options.queries)
    theirs = measured(client, lambda: measure_cacheops(item, rows))
    fill(item, options.queries)
    client.config_resetstat()
    client.slowlog_reset()
    ours = measured(client, lambda: measure_pgripple(database, daemon))
    n_calls, slow = script_calls(client)
    for name, (seconds, busy, removed) in (("cacheops", theirs),
                                           ("pgripple", ours)):
        print(f"{name}: {seconds:6.2f} s, {busy:5.2f} s of redis's processor,"
              f" {removed} queries removed")
    print(f"          {ours[0] / theirs[0]:.2f} of the time;"
          f" {n_calls} calls of a script, {len(slow)} above {SLOW_US} us by the"
          f" clock, {ours[1] / max(n_calls, 1) * 1e6:.0f} us of processor each;"
          f" load {os.getloadavg()[0]:.1f}", flush=True)
    return theirs, ours, n_calls


def show(options, database, server, redis_server):
    columns = ", ".join(f"{field} integer NOT NULL" for field in FIELDS)
    values = ", ".join(f"(n * {k + 1}) % 300" for k in range(len(FIELDS)))
    database.execute(
        f"CREATE TABLE item (id integer PRIMARY KEY, {columns});"
        f"INSERT INTO item SELECT n, {values}"
        f" FROM generate_series(1, {options.rows}) AS n")
    config = Config(database.conninfo(), redis_server.url, GRAPH,
                    {"log": {"level": "info"}})
    install(config)
    item = set_up_django(database, server, redis_server)
    client = redis_server.client(decode_responses=False)
    client.config_set("slowlog-max-len", 5000)
    client.config_set("slowlog-log-slower-than", SLOW_US)
    daemon = Daemon(config)
    try:
        daemon.start()
        rounds = []
        for _ in range(options.rounds):
            # What the last round changed is what cacheops invalidates now.
            rows = list(item.objects.nocache().order_by("pk"))
            rounds.append(one_round(item, rows, options, database, daemon,
                                    client))
    finally:
        daemon.stop()
        config.remove()
    share = statistics.median(ours[0] / theirs[0]
                              for theirs, ours, _ in rounds)
    busy = statistics.median(ours[1] / theirs[1] for theirs, ours, _ in rounds)
    call_us = statistics.median(ours[1] / max(n_calls, 1) * 1e6
                                for _, ours, n_calls in rounds)
    print(f"median:   {share:.2f} of the time, {busy:.2f} of redis's processor;"
          f" a call takes {call_us:.0f} us of it")
    return (share <= 1 / 3 and call_us <= SLOW_US
            and all(ours[2] >= theirs[2] for theirs, ours, _ in rounds))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10000)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    os.environ["PGRIPPLE_BUILD"] = os.path.abspath(options.build)
    server = Postgres(fsync="off")
    redis_server = RedisServer()
    try:
        server.start()
        redis_server.start()
        database = server.create_database("bench")
        return 0 if show(options, database, server, redis_server) else 1
    finally:
        redis_server.remove()
        server.remove()


if __name__ == "__main__":
    sys.exit(main())
