"""pgripple status: how it goes."""

import json
import re
import subprocess

import pytest

from harness.daemon import binary, environment
from harness.wait import wait_until

GRAPH = """
    models:
      team: {table: app_team, invalidate: ["team:{id}"]}
"""


@pytest.fixture
def config(tournament, redis_server, cache, make_config, cli, tmp_path):
    config = make_config(tournament.conninfo(), redis_server.url, GRAPH, {
        "http": {"listen": f"unix://{tmp_path}/http"}})
    done = cli("install", "-c", config.path)
    assert done.status == 0, done.stderr
    return config


@pytest.fixture
def status(cli, config):
    """status(): exit status and what --json prints."""
    def run():
        done = cli("status", "--json", "-c", config.path)
        assert done.stderr == ""
        return done.status, json.loads(done.stdout)
    return run


def test_all_is_well(config, make_daemon, cli, status):
    make_daemon(config)
    wait_until(lambda: status()[0] == 0, what="a ready daemon")
    _, told = status()
    assert told["ok"] and told["problems"] == []
    assert told["database"]["changes"] == told["database"]["rejected"] == 0
    assert told["database"]["watched"] == 1
    assert [one["active"] for one in told["database"]["daemons"]] == [True]
    assert told["daemon"]["ready"] is True
    done = cli("status", "-c", config.path)
    assert done.status == 0
    assert "daemon     working, state live, mode apply\n" in done.stdout
    assert "redis      default up\n" in done.stdout
    assert "backlog    0 changes\n" in done.stdout
    assert done.stdout.endswith("all is well\n")


def test_what_is_wrong_is_named(config, tournament, redis_server, make_daemon,
                                status):
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    code, told = status()
    assert code == 1
    assert told["problems"] == ["no daemon works on this database"]
    assert told["daemon"] is None and "could not reach" in told["daemon_error"]
    assert told["database"]["changes"] == 1
    assert told["database"]["oldest_seconds"] >= 0

    tournament.execute("DROP TRIGGER pgripple_update ON app_team")
    tournament.execute("""
        INSERT INTO pgripple.rejected (id, reason, change)
            VALUES (0, 'why', '{}')""")
    redis_server.stop()
    try:
        make_daemon(config, wait=False)
        wait_until(lambda: any("redis-down" in problem
                               for problem in status()[1]["problems"]),
                   what="the daemon to say that Redis is away")
        problems = " / ".join(status()[1]["problems"])
    finally:
        redis_server.start()
    assert "no daemon" not in problems
    assert 'pgripple rejected list' in problems
    assert re.search("table public.app_team: .*pgripple_update", problems)


def test_a_daemon_that_stands_by_is_no_problem(config, make_daemon, make_config,
                                               tournament, redis_server, cli):
    make_daemon(config)
    other = make_config(tournament.conninfo(), redis_server.url, GRAPH)
    standby = make_daemon(other, wait=False)
    standby.wait_for_event("daemon.standby")
    done = cli("status", "-c", config.path)
    assert "daemon     working, 1 standing by" in done.stdout


def test_rates_are_those_of_the_last_look(config, tournament, status):
    writer = subprocess.Popen(
        [binary(), "status", "--json", "--watch", "-c", config.path],
        stdout=subprocess.PIPE, text=True, env=environment())
    try:
        json.loads(writer.stdout.readline())
        for _ in range(40):
            tournament.execute("UPDATE app_team SET name = name || 'x'")
        told = json.loads(writer.stdout.readline())
    finally:
        writer.kill()
        writer.wait()
    # Nobody applies, and 40 or fewer were written within two seconds or more.
    assert 0 < told["rates"]["written"] <= 20
    assert told["rates"]["applied"] == 0


def test_without_a_schema_it_says_what_to_do(database, redis_server,
                                             make_config, cli):
    config = make_config(database.conninfo(), redis_server.url, GRAPH)
    done = cli("status", "-c", config.path)
    assert done.status == 1
    assert 'Run "pgripple install".' in done.stderr


def test_an_absent_database_is_an_exit_status_of_its_own(
        tmp_path, redis_server, make_config, cli):
    config = make_config(f"host={tmp_path} dbname=x", redis_server.url, GRAPH)
    assert cli("status", "-c", config.path).status == 69
