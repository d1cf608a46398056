"""Several daemons: one works, the others stand by and take over."""

import time

import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet, warm
from harness.proxy import proxy_to_postgres
from harness.wait import wait_until

QUICK = {"postgres": {"notify": "adaptive", "heartbeat": "500ms"},
         "retry_max": "500ms"}


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH,
                       QUICK)
    install(made)
    return made


def start_three(config, make_daemon):
    """The active one, and two that stand by."""
    active = make_daemon(config)
    standbys = [make_daemon(config, wait=False) for _ in range(2)]
    for standby in standbys:
        standby.wait_for_event("daemon.standby")
    return active, standbys


def take_over_s(standbys, since_s):
    """Seconds until one of them is ready."""
    wait_until(lambda: any(standby.events("daemon.ready")
                           for standby in standbys), 30, "a takeover")
    return time.monotonic() - since_s


def change_one(database, cache):
    warm(cache, "team:1")
    database.execute("UPDATE app_team SET current_points ="
                     " current_points + 1 WHERE id = 1")
    wait_quiet(database)
    assert not cache.exists("team:1")


def test_one_works_and_the_others_stand_by(tournament, config, cache,
                                           make_daemon):
    active, standbys = start_three(config, make_daemon)
    change_one(tournament, cache)
    active.wait_for_event("change.applied")
    assert not any(standby.events("batch.state") for standby in standbys)


@pytest.mark.timing
@pytest.mark.parametrize("end, bound_s", [
    ("kill", 3), ("stop", 3), ("pause", 6)], ids=["killed", "stopped",
                                                  "frozen"])
def test_one_that_is_gone_is_soon_replaced(tournament, config, cache,
                                           make_daemon, end, bound_s):
    active, standbys = start_three(config, make_daemon)
    getattr(active, end)()
    seconds = take_over_s(standbys, time.monotonic())
    print(f"takeover after {end}: {seconds:.2f} s with a heartbeat of 0.5 s")
    assert seconds < bound_s
    change_one(tournament, cache)
    assert sum(bool(standby.events("daemon.ready"))
               for standby in standbys) == 1


def test_one_that_is_stopped_hands_over(tournament, config, cache,
                                        make_daemon):
    active, standbys = start_three(config, make_daemon)
    active.stop()
    take_over_s(standbys, time.monotonic())
    change_one(tournament, cache)


def test_a_frozen_one_stands_by_when_it_thaws(tournament, config, cache,
                                              make_daemon):
    active, standbys = start_three(config, make_daemon)
    active.pause()
    take_over_s(standbys, time.monotonic())
    change_one(tournament, cache)
    mark = active.mark()
    active.resume()
    active.wait_for_event("daemon.standby", after=mark)
    change_one(tournament, cache)


@pytest.fixture
def far_and_near(postgres, tournament, config, redis_server, make_config,
                 make_daemon):
    """The active daemon, behind a proxy, that proxy, and one that stands by."""
    proxy = proxy_to_postgres(postgres)
    far = make_config(
        tournament.conninfo(host="127.0.0.1", port=proxy.port,
                            sslmode="disable"),
        redis_server.url, TEAM_GRAPH, QUICK)
    install(far)
    active = make_daemon(far)
    standby = make_daemon(config, wait=False)
    standby.wait_for_event("daemon.standby")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 2")
    yield active, proxy, standby
    proxy.close()


@pytest.mark.timing
def test_one_behind_a_dead_network_is_soon_replaced(far_and_near):
    _, proxy, standby = far_and_near
    proxy.stall()
    seconds = take_over_s([standby], time.monotonic())
    print(f"takeover from behind a dead network: {seconds:.2f} s"
          " with a heartbeat of 0.5 s")
    assert seconds < 6


def test_one_behind_a_dead_network_does_no_harm_when_it_is_back(
        tournament, far_and_near, cache):
    active, proxy, standby = far_and_near
    proxy.stall()
    take_over_s([standby], time.monotonic())
    change_one(tournament, cache)
    active.wait_for_event("postgres.down", timeout=60)
    proxy.resume()
    change_one(tournament, cache)


def test_daemons_that_take_turns_do_no_harm(tournament, config, cache,
                                            make_daemon):
    """Whoever loses L works on for a while, beside the one who takes over."""
    daemons = start_three(config, make_daemon)
    daemons = [daemons[0], *daemons[1]]
    for _ in range(5):
        tournament.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'pgripple listen'"
            " AND datname = current_database()")
        for _ in range(5):
            change_one(tournament, cache)
    assert all(daemon.is_running() for daemon in daemons)


def test_standing_by_costs_nothing(tournament, config, make_daemon):
    for wanted in ("daemon.ready", "daemon.standby", "daemon.standby"):
        make_daemon(config, wait=False).wait_for_event(wanted)
    statements = "SELECT xact_commit FROM pg_stat_database" \
        " WHERE datname = current_database()"
    # Sessions report what they did with a delay of up to a second or so: what
    # they did to start must not be counted.
    for seconds in (3, 8):
        before, started_s = tournament.value(statements), time.monotonic()
        wait_until(lambda: time.monotonic() > started_s + seconds,
                   seconds + 1, f"{seconds} s to pass")
    after = tournament.value(statements)
    rate = (after - before) / (time.monotonic() - started_s)
    print(f"three daemons: {rate:.1f} statements a second")
    # A statement that is just being run has one.
    wait_until(lambda: tournament.value(
        "SELECT count(backend_xmin) = 0 FROM pg_stat_activity"
        " WHERE application_name LIKE 'pgripple%'"
        " AND datname = current_database()"), 1, "no snapshot that is held")
    # Each standby asks once a second; heartbeats are every 0.5 s here, on six
    # sessions.
    assert rate < 2 * 1 + 6 * 2 + 3
