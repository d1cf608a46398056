"""What may stop the daemon for good or lose a change: rows that only a hand
can have written, and peers that are exchanged at the worst moment."""

import os
import signal
import textwrap

import pytest

from harness.flow import TEAM_GRAPH, install, vanished, wait_quiet, warm
from harness.postgres import Database


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    return made


@pytest.mark.parametrize("number, status", [
    (signal.SIGHUP, None), (signal.SIGTERM, 0)], ids=["reload", "stop"])
def test_a_signal_may_come_while_the_files_are_read(
        config, make_daemon, number, status):
    os.remove(config.graph_path)
    os.mkfifo(config.graph_path)
    daemon = make_daemon(config, wait=False)
    with open(config.graph_path, "w", encoding="utf-8") as graph:
        # Open: so the daemon has come to it.
        os.remove(config.graph_path)
        config.write_graph(TEAM_GRAPH)
        daemon.process.send_signal(number)
        graph.write(textwrap.dedent(TEAM_GRAPH))
    if status is None:
        daemon.wait_for_event("reload.done")
    else:
        assert daemon.wait() == status


def test_a_reload_takes_a_table_out_whose_changes_wait(
        tournament, config, make_redis, make_daemon):
    """What waits for a table that is in no model any more is let go; the rest
    is applied by the new graph."""
    redis = make_redis()
    config.write_settings({"redis": {"url": redis.url},
                           "retry_max": "300ms"})
    daemon = make_daemon(config)
    redis.kill()
    daemon.wait_for_event("redis.down")
    tournament.execute(
        "UPDATE app_team SET name = 'x' WHERE id = 1;"
        "UPDATE app_tournament SET name = 'x' WHERE id = 1")
    graph = textwrap.dedent(TEAM_GRAPH)
    config.write_graph("models:\n" + graph[graph.index("  tournament:"):
                                           graph.index("relations:")])
    daemon.reload()
    daemon.wait_for_event("reload.done")
    redis.start()
    client = redis.client()
    warm(client, "team:1", "tournament:1")
    wait_quiet(tournament)
    assert vanished(client, ["team:1", "tournament:1"]) == {"tournament:1"}
    assert not tournament.execute("SELECT FROM pgripple.rejected")


@pytest.mark.parametrize("change", [
    # The pong would be too long for NOTIFY.
    '{"op":"ping","key":"%s"}' % ("k" * 9000),
    # The reason, which quotes it, is cut in the middle of a character.
    '{"op":"update","table":"%s"}' % ("\N{SNOWMAN}" * 400),
    '{"op":"update","table":"a%s"}' % ("\N{SNOWMAN}" * 400),
    '{"op":"update","table":"aa%s"}' % ("\N{SNOWMAN}" * 400),
    '{"op":"update","table":"a\\u0000b"}',
], ids=["ping", "cut-0", "cut-1", "cut-2", "nul"])
def test_no_row_blocks_those_behind_it(tournament, config, cache, make_daemon,
                                       change):
    tournament.execute(
        "INSERT INTO pgripple.outbox (bytes, change) VALUES (10, %s)", change)
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    warm(cache, "team:1")
    make_daemon(config)
    wait_quiet(tournament)
    assert not cache.exists("team:1")
    assert tournament.value(
        "SELECT reason FROM pgripple.rejected WHERE id = 1")


def test_a_graph_may_hold_what_the_databases_encoding_lacks(
        postgres, cache, redis_server, make_config, make_daemon):
    postgres.connect().cursor().execute(
        "CREATE DATABASE latin TEMPLATE template0"
        " ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    database = Database(postgres, "latin")
    try:
        database.run_file("tests/system/tournament.sql")
        config = make_config(
            database.conninfo(), redis_server.url,
            TEAM_GRAPH.replace("team:{id}", "\N{SNOWMAN}:{id}"))
        install(config)
        make_daemon(config)
        warm(cache, "\N{SNOWMAN}:1", "\N{SNOWMAN}")
        database.execute("TRUNCATE app_team CASCADE")
        wait_quiet(database)
        assert vanished(cache, ["\N{SNOWMAN}:1", "\N{SNOWMAN}"]) == {
            "\N{SNOWMAN}:1"}
    finally:
        database.drop()


@pytest.mark.parametrize("at", ["infinity", "-infinity", "294276-12-31"])
def test_no_time_blocks_the_outbox(tournament, config, cache, make_daemon,
                                   at):
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    tournament.execute("UPDATE pgripple.outbox SET at = %s", at)
    warm(cache, "team:1")
    make_daemon(config)
    wait_quiet(tournament)
    assert not cache.exists("team:1")


def test_acknowledges_only_what_this_session_has_fetched(
        tournament, config, make_redis, make_daemon):
    """After a failover the new primary may draw an id again that the old one
    had given to a change under way."""
    redis = make_redis()
    config.write_settings({"redis": {"url": redis.url,
                                     "command_timeout": "20s"},
                           "retry_max": "300ms"})
    daemon = make_daemon(config)
    client = redis.client()
    warm(client, "team:1", "team:2")
    redis.pause()
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    daemon.wait_for_event("batch.state", to="applying")
    mark = daemon.mark()
    tournament.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'pgripple work'"
        " AND datname = current_database()")
    daemon.wait_for_event("postgres.up", after=mark, session="work")
    tournament.execute("UPDATE app_team SET name = 'y' WHERE id = 2")
    tournament.execute(
        "WITH gone AS (DELETE FROM pgripple.outbox RETURNING id, change)"
        " INSERT INTO pgripple.outbox (id, bytes, change)"
        " OVERRIDING SYSTEM VALUE"
        " SELECT (SELECT min(id) FROM gone), 10, change FROM gone"
        " ORDER BY id DESC LIMIT 1")
    redis.resume()
    wait_quiet(tournament)
    assert vanished(client, ["team:1", "team:2"]) == {"team:1", "team:2"}


def test_a_scan_starts_over_on_another_server(tournament, config, make_redis,
                                              make_daemon):
    """A cursor means nothing to a Redis that was started anew."""
    redis = make_redis(save="3600 1")
    config.write_settings({"redis": {"url": redis.url}, "retry_max": "200ms",
                           "tasks": {"scan_count": 1000,
                                     "scan_pause": "2s"}})
    daemon = make_daemon(config)
    keys = [f"team:{n}" for n in range(10, 1510)]
    warm(redis.client(), *keys)
    redis.client().save()
    tournament.execute("TRUNCATE app_team CASCADE")
    daemon.wait_for_event("tasks.state", to="pausing")
    mark = daemon.mark()
    redis.kill()
    redis.start()
    daemon.wait_for_event("redis.up", after=mark)
    # A pause after every slice of every model would take half a minute.
    config.write_settings({"tasks": {"scan_pause": "0ms"}})
    daemon.reload()
    wait_quiet(tournament)
    assert vanished(redis.client(), keys) == set(keys)
