"""A pooler between the daemon and Postgres, which swallows notifications."""

import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet, warm
from harness.pooler import PgBouncer

pytestmark = pytest.mark.once


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH,
                       {"postgres": {"notify": "adaptive",
                                     "heartbeat": "500ms",
                                     "poll_interval": "500ms"}})
    install(made)
    return made


@pytest.fixture
def pooler(tournament):
    made = PgBouncer(tournament, "transaction").start()
    yield made
    made.remove()


def change_one(database, cache):
    warm(cache, "team:1")
    database.execute("UPDATE app_team SET current_points ="
                     " current_points + 1 WHERE id = 1")
    wait_quiet(database)
    assert not cache.exists("team:1")


def test_a_pooler_is_named_and_costs_no_change(tournament, config, cache,
                                               pooler, make_daemon):
    direct = make_daemon(config)
    change_one(tournament, cache)
    direct.stop()
    assert not direct.events("postgres.pooler")
    config.write_settings({"postgres": {"conninfo": pooler.conninfo}})
    daemon = make_daemon(config, wait=False)
    line = daemon.wait_for_event("postgres.pooler")
    assert "pgripple check" in line["hint"]
    for _ in range(5):
        change_one(tournament, cache)
