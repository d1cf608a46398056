"""The daemon's life: start, catch up, work, reload, stop; and peers that come
and go."""

import json
import threading
import time

import pytest

from harness.daemon import is_sanitized
from harness.flow import TEAM_GRAPH, install, vanished, wait_quiet, warm
from harness.http import Web
from harness.postgres import Database
from harness.systemd import Manager
from harness.wait import wait_until


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    return made


def test_says_what_a_change_led_to(tournament, config, cache, make_daemon):
    daemon = make_daemon(config)
    xid = tournament.execute(
        "BEGIN; UPDATE app_team SET name = 'x' WHERE id = 1;"
        " SELECT pg_current_xact_id()::text")[0][0]
    tournament.execute("COMMIT")
    line = daemon.wait_for_event("change.applied")
    assert line["level"] == "info"
    assert line["table"] == "public.app_team"
    assert line["op"] == "update"
    assert line["rows"] == 1
    assert line["xid"] == int(xid)
    assert line["models"] == [
        {"model": "team", "path": "team", "rows": 1},
        {"model": "tournament", "path": "team>tournament",
         "relation": "team.tournament_id -> tournament.id", "rows": 1}]
    assert line["keys"] == 2
    assert line["first_keys"] == ["team:1", "tournament:1"]
    tournament.execute(
        "UPDATE app_team SET tournament_id = 2 WHERE id = 1")
    line = daemon.wait_for_event("change.applied", keys=3)
    assert line["rows"] == 1
    assert [model["rows"] for model in line["models"]] == [1, 2]
    assert 0 < line["us"] < 5_000_000


def test_every_line_of_the_log_is_json_with_unique_names(
        tournament, config, make_redis, make_daemon):
    redis = make_redis()
    config.write_settings({"redis": {"url": redis.url}})
    daemon = make_daemon(config)
    redis.kill()
    daemon.wait_for_event("redis.down")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    redis.start()
    wait_quiet(tournament)
    daemon.stop()
    assert daemon.events("redis.state", to="up", reason="verified")
    assert daemon.text_lines == []


def test_hides_keys_and_values_when_told(tournament, config, cache,
                                         make_daemon):
    config.write_settings({"log": {"values": False}})
    daemon = make_daemon(config)
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 4;"
                       " TRUNCATE app_game, app_team CASCADE")
    daemon.wait_for_event("task.done")
    wait_quiet(tournament)
    assert "team:" not in daemon.tail()


def n_told(daemon):
    """How many changes were told of, one by one or summed up."""
    return len(daemon.events("change.applied")) + sum(
        event["changes"] for event in daemon.events("changes.applied"))


def test_sums_changes_up_when_there_are_too_many(tournament, config, cache,
                                                 make_daemon):
    config.write_settings({"log": {"changes_per_second": 5}})
    daemon = make_daemon(config)
    tournament.execute("DO $$ BEGIN FOR n IN 1..50 LOOP"
                       " UPDATE app_team SET name = n WHERE id = 1;"
                       " END LOOP; END $$")
    summary = daemon.wait_for_event("changes.applied")
    wait_until(lambda: n_told(daemon) == 50, what="all to be told of")
    assert 5 <= len(daemon.events("change.applied")) <= 10
    assert summary["changes"] == summary["rows"]


def test_sums_up_changes_that_lead_to_very_many_keys(
        tournament, config, cache, make_daemon):
    """To tell of one such change takes longer than to apply it."""
    config.write_graph("""\
        models:
          tournament:
            table: app_tournament
          team:
            table: app_team
            invalidate: ["team:{id}"]
        relations:
          - tournament.id -> team.tournament_id
        """)
    config.write_settings({"log": {"level": "info"}})
    install(config)
    tournament.execute(
        "INSERT INTO app_team (id, name, tournament_id) SELECT 1000 + n,"
        " n, 1 FROM generate_series(1, 9000) AS n;"
        " DELETE FROM pgripple.outbox;"
        " DO $$ BEGIN FOR n IN 1..200 LOOP"
        " UPDATE app_tournament SET name = n WHERE id = 1;"
        " END LOOP; END $$")
    daemon = make_daemon(config)
    assert daemon.wait_for_event("change.applied")["keys"] > 9000
    wait_until(lambda: n_told(daemon) == 200, what="all to be told of")
    assert len(daemon.events("change.applied")) < 20


def test_catches_up_with_what_was_written_without_it(
        tournament, config, cache, make_daemon):
    warm(cache, "team:1", "team:2", "tournament:1")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    make_daemon(config)
    wait_quiet(tournament)
    assert vanished(cache, ["team:1", "team:2", "tournament:1"]) == {
        "team:1", "tournament:1"}


def test_polls_where_nobody_rings(tournament, config, cache, make_daemon):
    config.write_settings({"postgres": {"notify": "never",
                                        "poll_interval": "100ms"}})
    install(config)
    daemon = make_daemon(config)
    warm(cache, "team:1")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    wait_quiet(tournament)
    assert not cache.exists("team:1")
    assert daemon.is_running()


def test_starts_before_its_servers_and_says_so(
        make_postgres, make_redis, make_config, make_daemon, cli):
    postgres = make_postgres()
    redis = make_redis(start=False)
    database = Database(postgres, "postgres")
    database.run_file("tests/system/tournament.sql")
    config = make_config(postgres.conninfo(), redis.url, TEAM_GRAPH)
    install(config)
    postgres.stop()
    daemon = make_daemon(config, wait=False)
    assert "again in" in json.dumps(
        daemon.wait_for_event("postgres.down", level="warning"))
    assert "again in" in json.dumps(
        daemon.wait_for_event("redis.down", level="warning"))
    postgres.start()
    redis.start()
    daemon.wait_for_event("daemon.ready")
    client = redis.client()
    warm(client, "team:1")
    database.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    wait_until(lambda: not client.exists("team:1"), 30, "team:1 to go")
    daemon.stop()


def test_waits_for_the_schema_to_be_installed(
        tournament, cache, redis_server, make_config, make_daemon):
    config = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH,
                         {"postgres": {"poll_interval": "100ms"},
                          "retry_max": "200ms"})
    daemon = make_daemon(config, wait=False)
    line = daemon.wait_for_event("catalog.not_installed")
    assert "pgripple install" in line["hint"]
    install(config)
    daemon.wait_for_event("daemon.ready")
    warm(cache, "team:1")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    wait_quiet(tournament)
    assert not cache.exists("team:1")


class Writers:
    """Threads that update teams as fast as they can, each change committed;
    every committed key is remembered."""

    def __init__(self, database, n_threads=2):
        self.database = database
        self.stopping = threading.Event()
        self.committed = 0
        self.failed = []
        self.threads = [threading.Thread(target=self.write, args=(n,))
                        for n in range(1, n_threads + 1)]
        for thread in self.threads:
            thread.start()

    def write(self, team):
        connection = self.database.connect()
        cursor = connection.cursor()
        while not self.stopping.is_set():
            try:
                cursor.execute("UPDATE app_team SET current_points ="
                               " current_points + 1 WHERE id = %s", (team,))
                self.committed += 1
            except Exception as error:      # shown by the test
                self.failed.append(error)
                return

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.failed, self.failed


def test_loses_nothing_when_it_is_killed(tournament, config, cache,
                                         make_daemon):
    """The last value that was cached before the end must be gone."""
    writers = Writers(tournament)
    try:
        for _ in range(5):
            daemon = make_daemon(config)
            wait_until(lambda: daemon.events("change.applied"), 30, "work")
            warm(cache, "team:1", "team:2", "tournament:1")
            daemon.kill()
    finally:
        warm(cache, "team:1", "team:2", "tournament:1")
        seen = writers.committed
        wait_until(lambda: writers.committed > seen + 20, 30, "more writes")
        writers.stop()
    make_daemon(config)
    wait_quiet(tournament)
    assert vanished(cache, ["team:1", "team:2", "tournament:1"]) == {
        "team:1", "team:2", "tournament:1"}


def test_finishes_what_is_under_way_when_it_is_told_to_stop(
        tournament, config, cache, make_daemon):
    writers = Writers(tournament)
    try:
        daemon = make_daemon(config)
        wait_until(lambda: daemon.events("change.applied"), 30, "work")
        daemon.stop()
    finally:
        writers.stop()
    assert daemon.events("daemon.stopping")
    assert daemon.events("daemon.stopped")


def test_redis_may_come_and_go(tournament, config, make_redis, make_daemon):
    redis = make_redis()
    config.write_settings({"redis": {"url": redis.url},
                           "retry_max": "500ms"})
    daemon = make_daemon(config)
    redis.kill()
    daemon.wait_for_event("redis.down")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    assert tournament.changes()
    redis.start()
    client = redis.client()
    warm(client, "team:1", "team:2")
    wait_quiet(tournament)
    assert vanished(client, ["team:1", "team:2"]) == {"team:1"}


def test_a_frozen_redis_is_noticed_and_nothing_is_acknowledged(
        tournament, config, make_redis, make_daemon):
    redis = make_redis()
    config.write_settings({"redis": {"url": redis.url,
                                     "command_timeout": "1s"},
                           "retry_max": "500ms"})
    daemon = make_daemon(config)
    warm(redis.client(), "team:1")
    redis.pause()
    mark = daemon.mark()
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    daemon.wait_for_event("redis.down", after=mark)
    assert tournament.changes()
    redis.resume()
    wait_quiet(tournament)
    assert not redis.client().exists("team:1")


def test_redis_that_refuses_is_asked_again(tournament, config, make_redis,
                                           make_daemon):
    redis = make_redis()
    config.write_settings({"redis": {"url": redis.url},
                           "retry_max": "300ms"})
    daemon = make_daemon(config)
    client = redis.client()
    warm(client, "team:1")
    client.execute_command("ACL", "SETUSER", "default", "-unlink")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    line = daemon.wait_for_event("batch.failed")
    assert "NOPERM" in line["error"]
    assert tournament.changes()
    client.execute_command("ACL", "SETUSER", "default", "+unlink")
    wait_quiet(tournament)
    assert not client.exists("team:1")


def test_postgres_may_come_and_go(make_postgres, cache, redis_server,
                                  make_config, make_daemon):
    postgres = make_postgres()
    database = Database(postgres, "postgres")
    database.run_file("tests/system/tournament.sql")
    config = make_config(postgres.conninfo(), redis_server.url, TEAM_GRAPH,
                         {"retry_max": "500ms"})
    install(config)
    daemon = make_daemon(config)
    for how in (postgres.stop, postgres.kill):
        mark = daemon.mark()
        how()
        daemon.wait_for_event("postgres.down", after=mark)
        postgres.start()
        daemon.wait_for_event("daemon.ready", after=mark)
        warm(cache, "team:1")
        database.execute(
            "UPDATE app_team SET current_points = current_points + 1"
            " WHERE id = 1")
        wait_quiet(database)
        assert not cache.exists("team:1")
    daemon.stop()


def test_terminated_sessions_come_back(tournament, config, cache,
                                       make_daemon):
    daemon = make_daemon(config)
    for name in ("pgripple listen", "pgripple work"):
        mark = daemon.mark()
        assert tournament.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",
            name) == 1
        daemon.wait_for_event("daemon.ready", after=mark)
        warm(cache, "team:1")
        tournament.execute(
            "UPDATE app_team SET current_points = current_points + 1"
            " WHERE id = 1")
        wait_quiet(tournament)
        assert not cache.exists("team:1")


def test_a_malformed_change_is_rejected_and_the_rest_goes_on(
        tournament, config, cache, make_daemon):
    warm(cache, "team:1", "team:2")
    tournament.execute(
        "INSERT INTO pgripple.outbox (bytes, change) VALUES"
        " (2, '{}'), (2, '[]'), (20, '{\"op\":\"upsert\"}'),"
        " (20, '{\"op\":\"ping\"}')")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    daemon = make_daemon(config)
    wait_quiet(tournament)
    assert vanished(cache, ["team:1", "team:2"]) == {"team:1"}
    rejected = tournament.execute(
        "SELECT change::text, reason FROM pgripple.rejected ORDER BY id")
    assert [change for change, _ in rejected] == [
        "{}", "[]", '{"op":"upsert"}', '{"op":"ping"}']
    assert all(reason for _, reason in rejected)
    wait_until(lambda: len(daemon.events("change.rejected", level="error"))
               == 4, what="all to be told of")


def test_a_change_of_a_known_table_that_is_not_understood_touches_the_model(
        tournament, config, cache, make_daemon):
    warm(cache, "team:1", "team:2", "tournament:1", "other")
    tournament.execute(
        "INSERT INTO pgripple.outbox (bytes, change) VALUES"
        " (40, '{\"table\":\"public.app_team\",\"op\":\"upsert\"}')")
    daemon = make_daemon(config)
    wait_quiet(tournament)
    assert vanished(cache, ["team:1", "team:2", "tournament:1", "other"]) == {
        "team:1", "team:2", "tournament:1"}
    assert "upsert" in daemon.wait_for_event("change.escalated")["reason"]


def test_a_forged_doorbell_costs_one_empty_fetch(tournament, config, cache,
                                                 make_daemon):
    config.write_settings({"postgres": {"poll_interval": "60s"}})
    daemon = make_daemon(config)
    daemon.wait_for_event("doorbell.state", to="asleep")
    mark = daemon.mark()
    stranger = tournament.connect(
        user=tournament.create_role())
    with stranger.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify('pgripple_' || oid, 'forged')"
            " FROM pg_namespace WHERE nspname = 'pgripple'")
    daemon.wait_for_event("doorbell.state", after=mark, to="asleep")
    # Whatever follows comes after the forged one's work.
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    daemon.wait_for_event("change.applied")
    before = daemon.events("batch.state", after=mark)
    fetches = [event for event in before[:before.index(next(
        event for event in before if event["to"] == "resolving"))]
        if event["to"] == "fetching"]
    assert len(fetches) == 2      # the forged one's, and the change's


def test_reload_takes_a_new_graph(tournament, config, cache, make_daemon):
    daemon = make_daemon(config)
    config.write_graph(TEAM_GRAPH.replace("team:{id}", "squad:{id}"))
    daemon.reload()
    daemon.wait_for_event("reload.done")
    warm(cache, "team:1", "squad:1")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    wait_quiet(tournament)
    assert vanished(cache, ["team:1", "squad:1"]) == {"squad:1"}


@pytest.mark.parametrize("graph, words", [
    ("models: [", "reload.rejected"),
    (TEAM_GRAPH.replace("team.tournament_id", "taem.tournament_id"),
     'unknown model "taem"'),
    (TEAM_GRAPH.replace("table: app_team\n", "table: app_taem\n"), "app_taem"),
    (TEAM_GRAPH.replace("team:{id}", "team:{slug}"), "slug"),
])
def test_reload_keeps_the_old_graph_and_says_why(
        tournament, config, cache, make_daemon, graph, words):
    daemon = make_daemon(config)
    config.write_graph(graph)
    mark = daemon.mark()
    daemon.reload()
    daemon.wait_for_event("reload.rejected", after=mark)
    assert words in json.dumps(
        daemon.events(after=mark), ensure_ascii=False).replace('\\"', '"')
    warm(cache, "team:1")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    wait_quiet(tournament)
    assert not cache.exists("team:1")


def test_a_reload_takes_a_new_poll_interval(tournament, config, cache,
                                            make_daemon):
    config.write_settings({"postgres": {"notify": "never",
                                        "poll_interval": "1h"}})
    install(config)
    daemon = make_daemon(config)
    wait_until(lambda: daemon.events("batch.state", to="idle"), 30, "idleness")
    config.write_settings({"postgres": {"poll_interval": "100ms"}})
    daemon.reload()
    daemon.wait_for_event("reload.done")
    warm(cache, "team:1")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    wait_quiet(tournament)
    assert not cache.exists("team:1")


def test_reload_does_not_change_servers(tournament, config, make_daemon):
    daemon = make_daemon(config)
    config.write_settings({"redis": {"url": "redis://127.0.0.1:1/0"}})
    daemon.reload()
    line = daemon.wait_for_event("reload.rejected")
    assert "redis.url" in line["error"] and "restart" in line["error"]


def test_reloads_under_load_lose_nothing(tournament, config, cache,
                                         make_daemon):
    daemon = make_daemon(config)
    writers = Writers(tournament)
    try:
        for _ in range(9):      # a tenth line a second is the log's bound
            mark = daemon.mark()
            daemon.reload()
            daemon.wait_for_event("reload.done", after=mark)
        warm(cache, "team:1", "team:2", "tournament:1")
        seen = writers.committed
        wait_until(lambda: writers.committed > seen + 20, 30, "more writes")
    finally:
        writers.stop()
    wait_quiet(tournament)
    assert vanished(cache, ["team:1", "team:2", "tournament:1"]) == {
        "team:1", "team:2", "tournament:1"}
    daemon.stop()


@pytest.mark.parametrize("graph, place", [
    (TEAM_GRAPH.replace("table: app_team\n", "table: app_taem\n"), ":3:"),
    (TEAM_GRAPH.replace("{id}", "{idd}", 1), ":4:"),
    ("models:\n  team: {table: [}\n", ":2:"),
])
def test_a_wrong_configuration_ends_it_with_78(
        tournament, config, redis_server, make_daemon, graph, place):
    config.write_graph(graph)
    daemon = make_daemon(config, wait=False)
    assert daemon.wait() == 78
    line = daemon.wait_for_event("config.error")
    assert line["level"] == "error"
    assert "graph.yaml" + place in line["at"]


def test_says_that_a_table_is_not_watched(tournament, config, make_daemon):
    tournament.execute("DROP TRIGGER pgripple_update ON app_team")
    daemon = make_daemon(config)
    line = daemon.wait_for_event("capture.gap")
    assert line["table"] == "public.app_team"
    assert "pgripple_update" in line["error"]
    assert "pgripple install" in line["hint"]


def test_drift_is_a_state_with_a_beginning_and_an_end(
        tournament, config, make_daemon, cli, tmp_path):
    """A migration under the running daemon, and the install after it."""
    config.write_settings({"postgres": {"coverage_interval": "100ms"}})
    manager = Manager(tmp_path / "notify")
    daemon = make_daemon(config, env={"NOTIFY_SOCKET": manager.path})
    at = manager.wait_for(STATUS="live")

    def ready():
        status, text = Web(config).get("/readyz")
        answer = json.loads(text)
        return status, answer["drifted"], answer["drift"]

    assert ready() == (200, False, [])
    said = "table public.app_team: columns changed since install"
    tournament.execute("ALTER TABLE app_team ADD n int")
    line = daemon.wait_for_event("daemon.drifted")
    assert (line["level"], line["tables"], line["problems"]) == ("error", 1, 0)
    assert ready() == (200, True, [said])
    at = manager.wait_for(at, STATUS='live, drifted: see "pgripple check"')
    done = cli("status", "-c", config.path)
    assert done.status == 1 and said in done.stdout

    # It is looked at again and again, and said once.
    tournament.execute("ALTER TABLE app_tournament ADD n int")
    wait_until(lambda: ready()[2] == [
        said, said.replace("app_team", "app_tournament")], what="both tables")
    daemon.wait_for_event("capture.gap", table="public.app_tournament")
    assert [one["table"] for one in daemon.events("capture.gap")] == [
        "public.app_team", "public.app_tournament"]

    install(config)
    daemon.wait_for_event("daemon.mended")
    assert ready() == (200, False, [])
    manager.wait_for(at, STATUS="live")
    assert len(daemon.events("daemon.drifted")) == 1


def test_an_upgrade_under_a_running_daemon_is_noticed(
        tournament, config, cache, make_daemon):
    """Without a new connection, which the other tests of versions make."""
    config.write_settings({"postgres": {"coverage_interval": "100ms"}})
    daemon = make_daemon(config)
    version = tournament.value("SELECT pgripple.schema_version()")
    become = ("CREATE OR REPLACE FUNCTION pgripple.schema_version() RETURNS"
              " integer LANGUAGE sql IMMUTABLE AS 'SELECT {}'")
    tournament.execute(become.format(version + 1))
    line = daemon.wait_for_event("catalog.version")
    assert (line["version"], line["wanted"]) == (version + 1, version)
    assert json.loads(Web(config).get("/readyz")[1])["reasons"] == [
        "not-installed"]
    warm(cache, "team:1")
    tournament.execute("UPDATE app_team SET name = name || 'x' WHERE id = 1")
    mark = daemon.mark()
    tournament.execute(become.format(version))
    daemon.wait_for_event("daemon.ready", after=mark)
    wait_quiet(tournament)
    assert not cache.exists("team:1")


def test_a_lookup_that_fails_touches_the_model(tournament, redis_server,
                                               cache, make_config,
                                               make_daemon):
    """A migration takes away what a lookup needs, under the running daemon."""
    config = make_config(tournament.conninfo(), redis_server.url, """\
        models:
          game:
            table: app_game
          team:
            table: app_team
            invalidate: ["team:{id}:{name}"]
        relations:
          - game.radiant_team_id -> team.id
        """)
    install(config)
    daemon = make_daemon(config)
    warm(cache, "team:1:Ancients", "team:2:Roshans", "other")
    tournament.execute("UPDATE app_game SET round = 5 WHERE id = 1")
    wait_quiet(tournament)
    assert not cache.exists("team:1:Ancients")
    tournament.execute("ALTER TABLE app_team RENAME COLUMN name TO title")
    mark = daemon.mark()
    tournament.execute("UPDATE app_game SET round = 6 WHERE id = 1")
    daemon.wait_for_event("lookup.failed", after=mark, level="error")
    wait_quiet(tournament)
    assert vanished(cache, ["team:2:Roshans", "other"]) == {"team:2:Roshans"}
    assert daemon.is_running()


def test_secrets_stay_out_of_log_and_process_list(
        make_postgres, make_redis, make_config, make_daemon, cli):
    postgres = make_postgres(tcp=True)
    redis = make_redis(requirepass="redis-secret")
    database = Database(postgres, "postgres")
    database.run_file("tests/system/tournament.sql")
    url = redis.tcp_url.replace("//", "//:redis-secret@")
    config = make_config(
        postgres.conninfo(password="postgres-secret"), url, TEAM_GRAPH)
    install(config)
    daemon = make_daemon(config)
    postgres.stop()
    redis.kill()
    daemon.wait_for_event("postgres.down")
    daemon.wait_for_event("redis.down")
    check = cli("check", "-c", config.path)
    assert check.status != 0
    with open(f"/proc/{daemon.pid}/cmdline") as cmdline:
        seen = cmdline.read() + daemon.tail() + check.stdout + check.stderr
    assert "-secret" not in seen


def test_idle_costs_next_to_nothing(tournament, config, make_daemon):
    config.write_settings({"log": {"level": "info"}})
    daemon = make_daemon(config)
    before_s, cpu_s = time.monotonic(), daemon.cpu_seconds()
    wait_until(lambda: time.monotonic() > before_s + 12, 15, "12 s to pass")
    share = (daemon.cpu_seconds() - cpu_s) / (time.monotonic() - before_s)
    print(f"idle: {daemon.rss_kb()} kB, {share:.2%} CPU")
    assert share < 0.005
    if not is_sanitized():
        assert daemon.rss_kb() < 10_000


def test_a_backlog_does_not_grow_the_daemon(tournament, config, cache,
                                            make_daemon):
    n = 20_000 if is_sanitized() else 1_000_000
    tournament.execute(f"""
        INSERT INTO pgripple.outbox (bytes, change)
        SELECT octet_length(c), c::json FROM (SELECT
            '{{"table":"public.app_team","op":"update","old":[{{"id":' || n
            || ',"tournament_id":1}}],"new":[{{"id":' || n
            || ',"tournament_id":2}}],"changed":["tournament_id"]}}' AS c
            FROM generate_series(1, {n}) AS n) AS s;
        ANALYZE pgripple.outbox""")
    warm(cache, "team:1", f"team:{n}", "tournament:1", "tournament:3")
    config.write_settings({"log": {"level": "info"}})
    daemon = make_daemon(config)
    peak_kb, started = 0, time.monotonic()

    def is_drained():
        nonlocal peak_kb
        peak_kb = max(peak_kb, daemon.rss_kb())
        return not tournament.value(
            "SELECT EXISTS (SELECT FROM pgripple.outbox)")
    wait_until(is_drained, 180, "the backlog to be drained")
    print(f"backlog of {n}: {time.monotonic() - started:.1f} s,"
          f" at most {peak_kb} kB")
    assert vanished(cache, ["team:1", f"team:{n}", "tournament:1",
                            "tournament:3"]) == {
        "team:1", f"team:{n}", "tournament:1"}
    if not is_sanitized():
        assert peak_kb < 64_000


def test_a_transaction_is_applied_when_its_tasks_are_done(
        tournament, config, cache, make_daemon):
    warm(cache, *(f"team:{n}" for n in range(2000)))
    xid = tournament.execute(
        "BEGIN; TRUNCATE app_team CASCADE;"
        " SELECT pg_current_xact_id()::text")[0][0]
    tournament.execute("COMMIT")
    applied = "SELECT pgripple.applied(%s::xid8)"
    assert not tournament.value(applied, xid)
    config.write_settings({"tasks": {"scan_count": 10,
                                     "scan_pause": "5ms"}})
    make_daemon(config)
    wait_until(lambda: not tournament.changes(), 30, "the acknowledgement")
    assert not tournament.value(applied, xid)
    assert tournament.value(
        "SELECT bool_and(from_xid <= %s AND to_xid >= %s)"
        " FROM pgripple.task", xid, xid)
    wait_quiet(tournament)
    assert tournament.value(applied, xid)
    assert not cache.exists("team:7")
