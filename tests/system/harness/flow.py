"""A daemon at work on a database: graph, installed triggers, warm keys."""

from harness.daemon import run_cli
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
    """pgripple install, which must succeed."""
    done = run_cli("install", "-c", config.path)
    assert done.status == 0, done.stdout + done.stderr
    return done


def warm(cache, *keys):
    """Put these keys into Redis."""
    cache.mset({key: "cached" for key in keys})


def wait_quiet(database, timeout=15):
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
