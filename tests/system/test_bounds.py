"""The outbox is bounded: what lies behind a mark is invalidated all the same,
and so is what was written while capture was switched off."""

import pytest

from harness.flow import TEAM_GRAPH, install, vanished, wait_quiet, warm
from harness.wait import wait_until
from test_daemon import Writers

KEYS = [f"team:{n}" for n in range(1, 6)] + ["tournament:1", "tournament:2"]


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    return made


def update_teams(database, n_times):
    for n in range(n_times):
        database.execute("UPDATE app_team SET current_points ="
                         f" current_points + 1 WHERE id = {n % 5 + 1}")


def depth(database):
    return database.value("SELECT count(*) FROM pgripple.outbox")


def test_a_weekend_without_a_daemon(tournament, config, cache, make_daemon):
    tournament.execute("SELECT pgripple.outbox_limit(100)")
    update_teams(tournament, 400)
    assert depth(tournament) < 120
    warm(cache, *KEYS, "other")
    daemon = make_daemon(config)
    wait_quiet(tournament)
    assert vanished(cache, [*KEYS, "other"]) == set(KEYS)
    daemon.wait_for_event("change.applied", whole="outbox limit")

    def has_images_again():
        mark = daemon.mark()
        update_teams(tournament, 1)
        return "whole" not in daemon.wait_for_event("change.applied",
                                                    after=mark)
    wait_until(has_images_again, 30, "images")


def test_writers_that_go_on_at_the_limit_lose_nothing(
        tournament, config, cache, make_daemon):
    tournament.execute("SELECT pgripple.outbox_limit(5)")
    writers = Writers(tournament)
    try:
        wait_until(lambda: writers.committed > 100, 30, "a backlog")
        make_daemon(config)
        for _ in range(10):
            warm(cache, "team:1", "team:2", "tournament:1")
            seen = writers.committed
            wait_until(lambda: writers.committed > seen + 20, 30, "writes")
            wait_until(lambda: not cache.exists("team:1", "team:2"), 30,
                       "the teams to go")
        warm(cache, "team:1", "team:2", "tournament:1")
        seen = writers.committed
        wait_until(lambda: writers.committed > seen + 20, 30, "writes")
    finally:
        writers.stop()
    wait_quiet(tournament)
    assert vanished(cache, ["team:1", "team:2", "tournament:1"]) == {
        "team:1", "team:2", "tournament:1"}


def test_what_was_written_while_disabled_is_touched_when_enabled(
        tournament, config, cache, make_daemon):
    make_daemon(config)
    tournament.execute("SELECT pgripple.disable()")
    wait_quiet(tournament)
    warm(cache, *KEYS)
    update_teams(tournament, 5)
    assert depth(tournament) == 0
    assert vanished(cache, KEYS) == set()
    tournament.execute("SELECT pgripple.enable()")
    wait_quiet(tournament)
    assert vanished(cache, KEYS) == set(KEYS)
