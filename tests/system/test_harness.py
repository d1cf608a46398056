"""The harness itself: servers start, stop, pause, and tell apart."""

import psycopg2
import pytest
import redis

from harness.daemon import yaml_text


def test_each_test_gets_a_fresh_database(database):
    assert database.execute(
        "SELECT 1 FROM pg_namespace WHERE nspname = 'pgripple'") == []


def test_the_tournament_has_its_tables(tournament):
    assert tournament.value("SELECT count(*) FROM app_team") == 5


def test_the_cache_is_empty_and_text(cache):
    assert cache.keys() == []
    cache.set("team:1", "x")
    assert cache.get("team:1") == "x"


def test_a_redis_of_its_own_can_be_paused_killed_and_restarted(make_redis):
    server = make_redis()
    server.pause()
    with pytest.raises(redis.TimeoutError):
        server.client(socket_timeout=0.1).ping()
    server.resume()
    assert server.client().ping()
    server.kill()
    with pytest.raises(redis.ConnectionError):
        server.client().ping()
    assert server.start().client().ping()


def test_a_postgres_of_its_own_survives_kill(make_postgres):
    server = make_postgres(tcp=True)
    database = server.create_database("app")
    database.execute("CREATE TABLE t AS SELECT 1 AS n")
    server.pause()
    server.resume()
    server.kill()
    with pytest.raises(psycopg2.OperationalError):
        server.connect()
    server.start()
    assert database.value("SELECT n FROM t") == 1


def test_settings_are_written_as_block_yaml():
    assert yaml_text({"a": {"b": "x: y", "n": 5}, "l": ["p"]}) == (
        'a:\n  b: "x: y"\n  n: 5\nl:\n  - "p"\n')
