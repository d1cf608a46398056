"""pgripple ping: the canary's way, and what is said when it does not come."""

import re

import pytest

GRAPH = """
    models:
      user:
        table: app_customuser
        invalidate: ["user:{id}"]
      team:
        table: app_team
        invalidate: ["team:{id}"]
    relations:
      - user.id -> team.captain_id
"""


@pytest.fixture
def config(tournament, redis_server, cache, make_config, cli):
    config = make_config(tournament.conninfo(), redis_server.url, GRAPH)
    done = cli("install", "-c", config.path)
    assert done.status == 0, done.stderr
    return config


def test_each_stage_is_timed(cli, config, make_daemon, tournament, cache):
    make_daemon(config)
    done = cli("ping", "-c", config.path)
    assert done.status == 0, done.stdout + done.stderr
    stages = re.findall(r"(?m)^(\w+) +(\d+\.\d) ms  ", done.stdout)
    assert [name for name, _ in stages] == [
        "outbox", "doorbell", "redis", "acknowledge", "total"]
    assert all(float(ms) < 5000 for _, ms in stages)
    assert cache.keys("pgripple:ping:*") == []
    assert tournament.changes() == []


def test_the_rights_that_check_asks_for_are_enough(
        cli, config, make_daemon, tournament, cache):
    """A role that may do nothing else: install is the owner's."""
    role = tournament.create_role()
    config.write_settings({"postgres": {
        "conninfo": tournament.conninfo(user=role)}})
    for _ in range(2):      # of the schema, then of the tables
        done = cli("check", "-c", config.path)
        for line in done.stdout.splitlines():
            if "GRANT " in line:
                tournament.execute(line.split("run: ", 1)[1])
    assert cli("check", "-c", config.path).status == 0
    make_daemon(config)
    cache.set("team:2", "stale")
    cache.set("team:3", "fresh")
    tournament.execute("UPDATE app_customuser SET mmr = 1 WHERE id = 2")
    done = cli("ping", "-c", config.path)
    assert done.status == 0, done.stderr
    assert cache.keys() == ["team:3"]
    tournament.execute(f'DROP OWNED BY "{role}"')


def test_without_a_daemon_it_says_so(cli, config, cache):
    done = cli("ping", "-c", config.path, "--timeout", "300ms")
    assert done.status == 1
    assert "outbox " in done.stdout
    assert ("pgripple: error: doorbell: nothing for 0.3 s: no daemon is "
            "connected to this database\n") in done.stderr
    assert 'hint: Start it with "pgripple run"' in done.stderr
    assert cache.keys("pgripple:ping:*") == []


def test_a_daemon_that_hangs_is_told_from_none(cli, config, make_daemon):
    daemon = make_daemon(config)
    daemon.pause()
    done = cli("ping", "-c", config.path, "--timeout", "500ms")
    daemon.resume()
    assert done.status == 1
    assert "redis: nothing for 0.5 s: the daemon is connected" in done.stderr


def test_a_daemon_with_another_redis_is_found_out(cli, config, make_daemon,
                                                  make_redis):
    make_daemon(config)
    other = make_redis()
    config.write_settings({"redis": {"url": other.url}})
    done = cli("ping", "-c", config.path, "--timeout", "5s")
    assert done.status == 1
    assert "the key is still there" in done.stderr
    assert "same Redis" in done.stderr


def test_before_install_it_says_what_to_run(cli, tournament, redis_server,
                                            make_config):
    config = make_config(tournament.conninfo(), redis_server.url, GRAPH)
    done = cli("ping", "-c", config.path)
    assert done.status == 1
    assert 'hint: Run "pgripple install".' in done.stderr


@pytest.mark.parametrize("settings", [
    {"postgres": {"conninfo": "host=/nonexistent dbname=no"}},
    {"redis": {"url": "unix:///nonexistent/redis.sock"}},
])
def test_an_unreachable_server_is_exit_status_69(cli, config, settings):
    config.write_settings(settings)
    done = cli("ping", "-c", config.path)
    assert done.status == 69
    assert done.stdout == "" and done.stderr != ""
