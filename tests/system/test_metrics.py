"""Metrics, health and readiness: what Prometheus and a load balancer see."""

import shutil
import subprocess

import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet
from harness.http import Web
from harness.wait import wait_until


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH,
                       {"http": {"look_interval": "100ms"}})
    install(made)
    return made


def test_changes_are_counted(tournament, config, cache, make_daemon):
    config.write_settings({"limits": {"bulk_rows": 3}})
    install(config)
    make_daemon(config)
    web = Web(config)
    before = web.metrics()
    assert before['pgripple_changes_total{op="update"}'] == 0
    tournament.execute("UPDATE app_team SET tournament_id = 2 WHERE id = 1")
    tournament.execute("UPDATE app_team SET name = name || '!'")
    tournament.execute("INSERT INTO pgripple.outbox (xid, change, bytes)"
                       " VALUES ('9', '{}', 2)")
    wait_quiet(tournament)

    def counted():
        now = web.metrics()
        return (now['pgripple_changes_total{op="update"}'] == 2
                and now['pgripple_rejected_kept'] == 1 and now)
    now = wait_until(counted, 10, "two changes to be counted")
    assert now['pgripple_operations_total{do="unlink",target="default"}'] >= 3
    assert now['pgripple_touched_rows_total{model="tournament"}'] >= 2
    assert now['pgripple_relation_rows_total'
               '{relation="team.tournament_id -> tournament.id"}'] >= 2
    assert now['pgripple_limit_hits_total{setting="limits.bulk_rows"}'] == 1
    assert now['pgripple_rejected_total{what="change"}'] == 1
    assert now['pgripple_tasks_total{do="scan",result="done"}'] >= 1
    assert now['pgripple_latency_seconds_count{since="seen"}'] == 2
    assert now['pgripple_latency_seconds_count{since="trigger"}'] == 2
    assert now['pgripple_stage_seconds_count{stage="acknowledging"}'] >= 1
    assert now['pgripple_state{state="live"}'] == 1
    assert now['pgripple_backlog_changes'] == 0
    assert now['pgripple_backlog_oldest_seconds'] == 0
    assert now['process_resident_memory_bytes'] > 1000000


@pytest.mark.once
def test_prometheus_finds_no_fault(tournament, config, cache, make_daemon):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    make_daemon(config)
    tournament.execute("UPDATE app_team SET tournament_id = 2 WHERE id = 1")
    wait_quiet(tournament)
    _, text = Web(config).get("/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text,
                          text=True, capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_age_of_what_waits_grows_without_redis(
        tournament, config, make_redis, make_daemon):
    redis = make_redis()
    config.write_settings({"redis": {"url": redis.url}})
    make_daemon(config)
    web = Web(config)
    assert web.ready()[0] == 200
    redis.stop()
    wait_until(lambda: web.ready()[1]["reasons"] == ["redis-down"], 10,
               "unreadiness")
    assert web.ready()[0] == 503
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    wait_until(lambda: web.metric("pgripple_backlog_changes") == 1, 10, "one")
    age = web.metric("pgripple_backlog_oldest_seconds")
    assert 0 < age < 10
    wait_until(lambda: web.metric("pgripple_backlog_oldest_seconds")
               > age + 0.5, 10, "a greater age")
    assert web.metric('pgripple_peer_up{peer="redis",name="default"}') == 0
    assert web.metric('pgripple_state{state="redis-down"}') == 1
    assert web.get("/healthz")[0] == 200
    redis.start()
    wait_until(lambda: web.ready()[0] == 200, 20, "readiness")
    wait_until(lambda: web.metric("pgripple_backlog_oldest_seconds") == 0, 10,
               "nothing to wait")
    assert web.metric(
        'pgripple_peer_losses_total{peer="redis",name="default"}') == 1


def test_canaries_prove_that_changes_get_through(
        tournament, config, cache, make_daemon):
    config.write_settings({"http": {"canary_interval": "200ms"}})
    cache.set("pgripple:canary", "sings")
    daemon = make_daemon(config)
    web = Web(config)
    wait_until(lambda: not cache.exists("pgripple:canary"), 10, "a canary")
    wait_until(lambda: web.metric("pgripple_canary_seconds") > 0, 10, "proof")
    assert web.ready()[0] == 200
    # Whatever swallows them: the outbox is read no more, or its rows vanish.
    tournament.execute(
        "CREATE RULE swallow AS ON INSERT TO pgripple.outbox DO INSTEAD"
        " NOTHING")
    wait_until(lambda: web.ready()[1]["reasons"] == ["canary-late"], 10,
               "a late canary")
    assert web.ready()[0] == 503
    tournament.execute("DROP RULE swallow ON pgripple.outbox")
    wait_until(lambda: web.ready()[0] == 200, 10, "readiness")
    assert not daemon.events("change.rejected")


def test_commit_times_are_used_where_they_are_kept(
        make_postgres, redis_server, make_config, make_daemon):
    postgres = make_postgres(track_commit_timestamp="on")
    database = postgres.create_database("tracked")
    database.run_file("tests/system/tournament.sql")
    config = make_config(database.conninfo(), redis_server.url, TEAM_GRAPH)
    install(config)
    make_daemon(config)
    web = Web(config)
    # The trigger's time is that much before the commit; it cannot be known
    # when a transaction is done that never was.
    database.execute("BEGIN; UPDATE app_team SET name = 'x' WHERE id = 1;"
                     " SELECT pg_sleep(0.6); COMMIT;"
                     " INSERT INTO pgripple.outbox (xid, change, bytes)"
                     " VALUES ('0', '{}', 2), ('4294967296', '{}', 2)")
    wait_quiet(database)
    slow = 'pgripple_latency_seconds_bucket{since="%s",le="0.5"}'
    now = web.metrics()
    assert now['pgripple_latency_seconds_count{since="commit"}'] == 1
    assert now[slow % "trigger"] == 0
    assert now[slow % "commit"] == 1, now
