"""The daemon as a service: the journal, and what it tells its manager."""

import json
import re
import time

import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet
from harness.systemd import Journal, Manager, beside_journal


@pytest.fixture
def config(tournament, redis_server, cache, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    return made


def rename(tournament, name, n=1):
    for number in range(n):
        tournament.execute("UPDATE app_team SET name = %s WHERE id = 1",
                           (f"{name} {number}",))


def test_the_journal_has_fields_and_is_never_waited_for(
        tournament, config, make_daemon, cli, tmp_path):
    journal = Journal(tmp_path)
    daemon = make_daemon(config, wait=False, wrapper=beside_journal(tmp_path))
    ready = journal.wait_for("daemon.ready")
    assert (ready["PRIORITY"], ready["SYSLOG_IDENTIFIER"]) == ("6", "pgripple")
    assert ready["PGRIPPLE_MODELS"] == "2"
    assert journal.wait_for("batch.state")["PRIORITY"] == "7"
    rename(tournament, "a\nb")
    entry = journal.wait_for("change.applied")
    line = json.loads(entry["MESSAGE"])
    assert line["event"] == "change.applied"
    assert json.loads(entry["PGRIPPLE_FIRST_KEYS"]) == line["first_keys"]
    assert json.loads(entry["PGRIPPLE_MODELS"]) == line["models"]
    assert entry["PGRIPPLE_XID"] == str(line["xid"])
    shown = cli("tail", "-", "--key", "team:1", stdin=entry["MESSAGE"] + "\n")
    assert re.search(r"update public\.app_team: team .*team:1 ", shown.stdout)

    # A journald that is stopped: its socket fills up, and nobody waits.
    rename(tournament, "unread", 300)
    wait_quiet(tournament)
    mark = len(journal.read())
    rename(tournament, "read again")
    dropped = next(entry for entry in
                   [journal.wait_for("change.applied", mark)] + journal.read()
                   if "PGRIPPLE_DROPPED" in entry)
    assert int(dropped["PGRIPPLE_DROPPED"]) > 0
    assert (json.loads(dropped["MESSAGE"])["dropped"]
            == int(dropped["PGRIPPLE_DROPPED"]))
    assert daemon.events() == []

    journal.close()
    rename(tournament, "gone")
    daemon.wait_for_event("change.applied")
    again = Journal(tmp_path)
    rename(tournament, "there again")
    again.wait_for("change.applied")
    daemon.stop()


@pytest.fixture
def make_service(make_daemon, tmp_path):
    """make_service(config, name="notify", **env): a daemon and its manager."""
    def make(config, name="notify", **env):
        manager = Manager(tmp_path / name)
        return make_daemon(config, wait=False, env={
            "NOTIFY_SOCKET": manager.path, **env}), manager
    return make


def test_the_manager_hears_of_every_state(
        tournament, config, make_redis, make_config, make_service, cli):
    redis = make_redis(start=False)
    config.write_settings({"redis": {"url": redis.url}, "retry_max": "200ms",
                           "postgres": {"coverage_interval": "100ms"}})
    first, manager = make_service(config)
    at = manager.wait_for(READY="1", STATUS="starting")
    at = manager.wait_for(at, STATUS="postgres-down")
    at = manager.wait_for(at, STATUS="redis-down")
    redis.start()
    at = manager.wait_for(at, STATUS="live")
    tournament.execute("ALTER TABLE app_team DISABLE TRIGGER USER")
    at = manager.wait_for(at, STATUS='live, drifted: see "pgripple check"')
    done = cli("install", "-c", config.path, "--conninfo",
               config.owner_conninfo)
    assert done.status == 0, done.stderr
    at = manager.wait_for(at, STATUS="live")

    second, other = make_service(config, "other")
    there = other.wait_for(STATUS="standby: another daemon works")
    first.stop()
    at = manager.wait_for(at, STOPPING="1", STATUS="draining")
    there = other.wait_for(there, STATUS="live")
    second.stop()

    elsewhere = make_config(
        tournament.conninfo(), redis.url, TEAM_GRAPH,
        {"postgres": {"schema": "elsewhere"}})
    _, manager = make_service(elsewhere, "elsewhere")
    manager.wait_for(STATUS="not-installed")
    elsewhere.write_graph("models: [")
    broken, manager = make_service(elsewhere, "broken")
    assert broken.wait() == 78
    assert manager.read() == []


def test_the_manager_hears_how_a_reload_ended(config, make_service):
    daemon, manager = make_service(config)
    at = manager.wait_for(STATUS="live")

    def reload(outcome):
        mark, began = manager.mark(), time.monotonic()
        daemon.reload()
        ready = manager.wait_for(mark, READY="1", STATUS=outcome)
        told = next(message for message in manager.read()[mark:ready]
                    if message.get("RELOADING") == "1")
        assert (began <= int(told["MONOTONIC_USEC"]) / 1e6
                <= time.monotonic())
        manager.wait_for(ready, STATUS="live")

    config.write_graph("models: [")
    reload("reload rejected")
    config.write_graph(TEAM_GRAPH)
    reload("reloaded")
    config.write_graph("models: {x: {table: no_such_table}}")
    reload("reload rejected")


@pytest.mark.timing
def test_the_watchdog_is_about_the_loop_alone(
        tournament, config, make_redis, make_service):
    redis = make_redis()
    config.write_settings({"redis": {"url": redis.url}})
    daemon, manager = make_service(config, WATCHDOG_USEC="2000000")
    manager.wait_for(STATUS="live")

    def hear(n):
        """When it was heard of, n times from now on."""
        at, times = manager.mark(), []
        for _ in range(n):
            at = manager.wait_for(at, WATCHDOG="1")
            times.append(manager.received[at]["at"])
            at += 1
        return times

    # What it waits for is no reason to start it again.
    redis.pause()
    rename(tournament, "nobody answers")
    times = hear(3)
    assert all(0.5 < b - a < 2 for a, b in zip(times, times[1:]))
    redis.resume()
    daemon.pause()
    mark = manager.mark()
    with pytest.raises(AssertionError, match="waited 2.5 s in vain"):
        manager.wait_for(mark, timeout=2.5, WATCHDOG="1")
    daemon.resume()
    hear(1)
