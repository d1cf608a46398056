"""A daemon at work on a database: graph, installed triggers, warm keys."""

import os

import psycopg2
import psycopg2.extensions

from harness.daemon import run_cli
from harness.postgres import ROOT, run
from harness.roles import DAEMON
from harness.wait import wait_until

TEAM_GRAPH = """\
    models:
      team:
        table: app_team
        invalidate: ["team:{id}"]
      tournament:
        table: app_tournament
        invalidate: ["tournament:{id}"]
    relations:
      - team.tournament_id -> tournament.id
    """


def install(config):
    """pgripple install, as the tables' owner, and sql/roles.sql: from then on
    the configuration is that of the daemon's role, with the least rights."""
    if not hasattr(config, "owner_conninfo"):
        config.owner_conninfo = config.settings["postgres"]["conninfo"]
    done = run_cli("install", "-c", config.path, "--conninfo",
                   config.owner_conninfo)
    assert done.status == 0, done.stdout + done.stderr
    connection = psycopg2.connect(config.owner_conninfo)
    connection.autocommit = True
    with open(os.path.join(ROOT, "sql/roles.sql"), encoding="utf-8") as sql:
        run(connection, sql.read())
    run(connection, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {DAEMON}")
    connection.close()
    config.write_settings({"postgres": {
        "conninfo": psycopg2.extensions.make_dsn(
            config.owner_conninfo, user=DAEMON)}})
    return done


def warm(cache, *keys):
    """Put these keys into Redis."""
    cache.mset({key: "cached" for key in keys})


def wait_quiet(database, timeout=30):
    """Wait until every change is acknowledged and every task is done."""
    def is_quiet():
        return database.value(
            "SELECT NOT EXISTS (SELECT FROM pgripple.outbox)"
            " AND NOT EXISTS (SELECT FROM pgripple.task)")
    wait_until(is_quiet, timeout, "an empty outbox")


def vanished(cache, keys):
    """Those of the keys that Redis does not hold any more."""
    present = cache.mget(list(keys))
    return {key for key, value in zip(keys, present) if value is None}
