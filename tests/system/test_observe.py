"""mode: observe does everything but send to Redis."""

import pytest

from harness.flow import TEAM_GRAPH, install, vanished, wait_quiet, warm
from harness.wait import wait_until

KEYS = ["team:1", "team:2", "tournament:1", "tournament:2"]


@pytest.fixture
def redis(make_redis):
    return make_redis()


@pytest.fixture
def config(tournament, redis, make_config):
    made = make_config(tournament.conninfo(), redis.url, TEAM_GRAPH,
                       {"mode": "observe"})
    install(made)
    return made


def commands(client):
    """How often each command was called, by anybody."""
    return {name.partition("_")[2]: stat["calls"]
            for name, stat in client.info("commandstats").items()}


def moved(tournament):
    tournament.execute("UPDATE app_team SET tournament_id = 2 WHERE id = 1")


def test_tells_what_would_go_and_sends_nothing(
        tournament, config, redis, make_daemon, cli):
    client = redis.client()
    warm(client, *KEYS)
    client.config_resetstat()
    daemon = make_daemon(config)
    assert daemon.events("daemon.ready", mode="observe")
    moved(tournament)
    line = daemon.wait_for_event("change.observed")
    assert line["keys"] == 3
    assert sorted(line["first_keys"]) == ["team:1", "tournament:1", "tournament:2"]
    tournament.execute("TRUNCATE app_game, app_team CASCADE")
    line = daemon.wait_for_event("change.observed", op="truncate")
    assert line["patterns"] == 2
    assert cli("ping", "-c", config.path).status == 0
    wait_quiet(tournament)
    daemon.stop()
    assert not daemon.events("change.applied")
    assert not daemon.events("task.started")
    assert vanished(client, KEYS) == set()
    # What is asked at connect, and what this test itself asks.
    assert set(commands(client)) <= {
        "client|setname", "hello", "auth", "select", "role", "info", "ping",
        "mget", "config|resetstat"}


def test_redis_need_not_be_there(tournament, config, redis, make_daemon, cli):
    redis.kill()
    daemon = make_daemon(config)
    moved(tournament)
    assert daemon.wait_for_event("change.observed")["keys"] == 3
    done = cli("ping", "-c", config.path)
    assert done.status == 0, done.stderr
    assert "the daemon only observes" in done.stdout
    wait_quiet(tournament)
    checked = cli("check", "-c", config.path)
    assert checked.status == 0, checked.stdout
    assert 'warning  the mode is "observe"' in checked.stdout
    assert "redis" in checked.stdout


def test_a_reload_begins_and_ends_it(tournament, config, redis, make_daemon,
                                     cli):
    client = redis.client()
    daemon = make_daemon(config)
    config.write_settings({"mode": "apply"})
    warm(client, *KEYS)
    # A daemon that observes is told from one that does not answer.
    done = cli("ping", "-c", config.path)
    assert done.status == 0 and "the daemon only observes" in done.stdout
    assert client.keys("pgripple:ping:*") == []
    daemon.reload()
    daemon.wait_for_event("reload.done", mode="apply")
    moved(tournament)
    assert daemon.wait_for_event("change.applied")["keys"] == 3
    wait_quiet(tournament)
    assert vanished(client, KEYS) == {"team:1", "tournament:1", "tournament:2"}
    config.write_settings({"mode": "observe"})
    daemon.reload()
    daemon.wait_for_event("reload.done", mode="observe")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 2")
    daemon.wait_for_event("change.observed")
    wait_quiet(tournament)
    assert client.exists("team:2")


def test_tasks_wait_while_it_observes(tournament, config, redis, make_daemon):
    client = redis.client()
    warm(client, *(f"team:{n}" for n in range(3000)))
    config.write_settings({"mode": "apply", "tasks": {
        "scan_count": 1, "scan_pause": "10ms"}})
    daemon = make_daemon(config)
    tournament.execute("TRUNCATE app_game, app_team CASCADE")
    wait_until(lambda: client.dbsize() < 2990, 30, "the scan to begin")
    config.write_settings({"mode": "observe"})
    daemon.reload()
    daemon.wait_for_event("reload.done", mode="observe")
    daemon.wait_for_event("tasks.state", reason="slice failed")
    left = client.dbsize()
    assert left > 0
    moved(tournament)
    assert only_a_task_is_left(tournament)
    assert client.dbsize() == left
    config.write_settings({"mode": "apply", "tasks": {
        "scan_count": 500, "scan_pause": "0ms"}})
    daemon.reload()
    wait_quiet(tournament)
    assert client.dbsize() == 0


def only_a_task_is_left(database):
    """The outbox is empty, though a task is left."""
    wait_until(lambda: database.value(
        "SELECT NOT EXISTS (SELECT FROM pgripple.outbox)"), 30, "the outbox")
    return database.value("SELECT EXISTS (SELECT FROM pgripple.task)")
