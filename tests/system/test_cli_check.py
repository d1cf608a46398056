"""pgripple check, with real servers."""

import psycopg2
import pytest

from harness.pooler import PgBouncer
from harness.process import free_port
from harness.wait import wait_until

GRAPH = """
    models:
      tournament:
        table: app_tournament
        invalidate: ["tournament:{id}"]
      team:
        table: app_team
        invalidate: ["team:{id}"]
    relations:
      - team.tournament_id -> tournament.id
"""


@pytest.fixture
def config(tournament, redis_server, make_config):
    return make_config(tournament.conninfo(), redis_server.url, GRAPH)


@pytest.fixture
def ready(cli, config):
    """A configuration whose database has everything installed."""
    done = cli("install", "-c", config.path)
    assert done.status == 0, done.stderr
    return config


def lines_of(done, level):
    return [line for line in done.stdout.splitlines()
            if line.startswith(level)]


def test_all_is_fine_after_install(cli, ready):
    done = cli("check", "-c", ready.path)
    assert done.status == 0, done.stdout + done.stderr
    assert lines_of(done, "error") == [] and lines_of(done, "warning") == []
    text = done.stdout
    assert f"ok       {ready.path}\n" in text
    assert "2 models, 1 relation, 2 tables" in text
    assert "LISTEN and session locks work" in text
    assert 'schema "pgripple": version 0.1.0' in text
    assert "table public.app_team: watched" in text
    assert "redis " in text and "master" in text
    assert text.endswith("no problem found\n")


def test_check_leaves_no_lock_and_no_session_behind(cli, ready, tournament):
    assert cli("check", "-c", ready.path).status == 0
    assert tournament.value(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    wait_until(lambda: tournament.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname ="
        " current_database() AND application_name LIKE 'pgripple%'") == 0,
        what="the sessions of check to end")


def test_before_install_it_says_what_to_run(cli, config):
    done = cli("check", "-c", config.path)
    assert done.status == 1
    assert 'error    schema "pgripple" is not installed\n' in done.stdout
    assert 'hint: Run "pgripple install".' in done.stdout


def test_before_install_errors_of_the_graph_are_told_as_well(cli, config):
    config.write_graph("""\
        models:
          team:
            table: app_team
            invalidate: ["team:{id}:{nmae}"]
          user:
            table: app_custom
            invalidate: ["user:{id}"]
    """)
    done = cli("check", "-c", config.path)
    assert done.status == 78
    assert 'error    schema "pgripple" is not installed\n' in done.stdout
    assert "hint: Correct the graph, then run" in done.stdout
    assert 'has no column "nmae"' in done.stderr
    assert 'table "public.app_custom" does not exist' in done.stderr
    assert done.stdout.endswith("\n3 problems found\n")


def test_a_wrong_column_hides_nothing(cli, ready, tournament):
    tournament.execute("DROP TRIGGER pgripple_insert ON app_tournament")
    ready.write_graph(GRAPH.replace("team:{id}", "team:{id}:{nmae}"))
    done = cli("check", "-c", ready.path)
    assert done.status == 78
    assert 'has no column "nmae"' in done.stderr
    text = done.stdout
    assert "error    table public.app_tournament: " in text
    assert "missing" in text
    assert "table public.app_team: " in text
    assert ": may use the schema" in text


@pytest.mark.parametrize("damage, complaint", [
    ("ALTER TABLE app_team DISABLE TRIGGER pgripple_update", "disabled"),
    ("DROP TRIGGER pgripple_insert ON app_team", "missing"),
    ("ALTER TABLE app_team ADD COLUMN extra int", "columns"),
])
def test_damaged_triggers_are_reported(cli, ready, tournament, damage,
                                       complaint):
    tournament.execute(damage)
    done = cli("check", "-c", ready.path)
    assert done.status == 1
    (line,) = lines_of(done, "error")
    assert line.startswith("error    table public.app_team: ")
    assert complaint in line
    assert cli("install", "-c", ready.path).status == 0
    assert cli("check", "-c", ready.path).status == 0


def test_a_table_out_of_the_graph_and_one_not_yet_watched(cli, ready):
    ready.write_graph("""
        models:
          user:
            table: app_customuser
            invalidate: ["user:{id}"]
          team:
            table: app_team
            invalidate: ["team:{id}"]
    """)
    done = cli("check", "-c", ready.path)
    assert done.status == 1
    text = done.stdout
    assert "error    table public.app_customuser: not watched" in text
    assert ("warning  table public.app_tournament: watched, but in no model"
            in text)
    # The graph needs less of it than is captured, and that does no harm.
    assert "ok       table public.app_team: watched" in text


def test_models_that_can_be_asked_for_are_those_of_the_graph(
        cli, ready, tournament):
    """What pgripple.invalidate() knows; the triggers are right all the time."""
    tournament.execute(
        "UPDATE pgripple.model SET name = 'former' WHERE name = 'team';"
        "UPDATE pgripple.model SET relid = 'app_team'"
        " WHERE name = 'tournament'")
    done = cli("check", "-c", ready.path)
    assert done.status == 1
    assert [line.split(maxsplit=1)[1] for line in lines_of(done, "error")] == [
        'model "team": cannot be asked for by hand, as the database does not'
        " know it",
        'model "tournament": asked for by hand it means table public.app_team,'
        " which is not that of the graph"]
    assert lines_of(done, "warning") == [
        'warning  model "former": known in the database, but not in the graph: the'
        " daemon rejects what is asked for by hand"]
    assert 'hint: Run "pgripple install".' in done.stdout
    assert cli("install", "-c", ready.path).status == 0
    assert cli("check", "-c", ready.path).status == 0


def test_a_target_that_no_rule_uses_is_a_warning(cli, ready):
    ready.write_settings({"redis": {"targets": {"spare": {
        "url": "redis://127.0.0.1:6379/1"}}}})
    done = cli("check", "-c", ready.path, "--offline")
    assert done.status == 0
    assert lines_of(done, "warning") == [
        'warning  target "spare": no rule uses it']
    ready.write_graph(GRAPH.replace('["team:{id}"]', (
        '[{ key: "team:{id}", target: spare }]')))
    done = cli("check", "-c", ready.path, "--offline")
    assert done.status == 0 and lines_of(done, "warning") == []


def test_errors_of_the_graph_have_a_place(cli, config):
    config.write_graph("""\
        models:
          team:
            table: app_teem
            invalidate: ["team:{id}"]
          user:
            table: app_customuser
            invalidate: ["user:{nickkname}"]
    """)
    done = cli("check", "-c", config.path)
    assert done.status == 78
    assert f"{config.graph_path}:3:" in done.stderr
    assert "app_teem" in done.stderr
    assert 'Did you mean "app_team"?' in done.stderr
    assert f"{config.graph_path}:7:" in done.stderr
    assert 'Did you mean "nickname"?' in done.stderr


def test_all_syntax_errors_come_in_one_run(cli, config):
    config.write_graph("""\
        models:
          team:
            tabel: app_team
            invalidate: ["team:{id}"]
        relations:
          - team.id -> taem.id
    """)
    done = cli("check", "--offline", "-c", config.path)
    assert done.status == 78 and done.stdout == ""
    assert f"{config.graph_path}:3:5: error: " in done.stderr
    assert f"{config.graph_path}:6:" in done.stderr


def test_offline_needs_no_server(cli, make_config):
    config = make_config("host=/nonexistent dbname=no",
                         "unix:///nonexistent/redis.sock", GRAPH)
    done = cli("check", "--offline", "-c", config.path)
    assert done.status == 0, done.stderr
    assert "postgres" not in done.stdout and "redis" not in done.stdout


def test_a_bad_redis_url_is_a_configuration_error(cli, config):
    config.write_settings({"redis": {"url": "http://localhost"}})
    done = cli("check", "--offline", "-c", config.path)
    assert done.status == 78


def test_unreachable_servers_are_told_apart(cli, make_config, tournament,
                                            redis_server):
    config = make_config("host=/nonexistent dbname=no", redis_server.url,
                         GRAPH)
    done = cli("check", "-c", config.path)
    assert done.status == 69
    assert len(lines_of(done, "error    postgres: ")) == 1
    assert len(lines_of(done, "ok       redis")) == 1

    config = make_config(tournament.conninfo(),
                         "unix:///nonexistent/redis.sock", GRAPH)
    done = cli("check", "-c", config.path)
    assert done.status == 69
    assert len(lines_of(done, "error    could not connect to redis at")) == 1
    assert len(lines_of(done, "ok       postgres")) == 1


def test_a_replica_is_a_problem(cli, ready, make_redis, redis_server):
    replica = make_redis(replicaof=f"127.0.0.1 {redis_server.port}")
    ready.write_settings({"redis": {"url": replica.url}})
    done = cli("check", "-c", ready.path)
    assert done.status == 1
    (line,) = lines_of(done, "error")
    assert line.startswith('error    redis at "') and "is a replica" in line
    done = cli("ping", "-c", ready.path)
    assert done.status == 1
    assert "is a replica" in done.stderr


@pytest.mark.parametrize("url, hint", [
    ("redis://:hush@127.0.0.1:{port}/0",
     "The server has no password: leave it out of redis.url."),
    ("redis://127.0.0.1:{port}/99", "The server has fewer databases: "),
])
def test_a_refusal_of_redis_has_a_hint(cli, ready, redis_server, url, hint):
    ready.write_settings({"redis": {
        "url": url.format(port=redis_server.port)}})
    done = cli("check", "-c", ready.path)
    assert done.status == 1
    (line,) = lines_of(done, "error")
    assert " refused " in line
    assert f"hint: {hint}" in done.stdout
    done = cli("ping", "-c", ready.path)
    assert done.status == 1 and f"hint: {hint}" in done.stderr


def test_a_database_of_any_bytes_is_refused(cli, tournament, redis_server,
                                            make_config):
    name = f"{tournament.name}_ascii"
    tournament.execute(
        f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C'"
        " LC_CTYPE 'C' TEMPLATE template0")
    config = make_config(
        tournament.conninfo().replace(f"dbname={tournament.name}",
                                      f"dbname={name}"),
        redis_server.url, GRAPH)
    done = cli("check", "-c", config.path)
    tournament.execute(f"DROP DATABASE {name}")
    assert done.status != 0
    assert "encoding of the database is SQL_ASCII" in done.stdout
    assert "ENCODING 'UTF8'" in done.stdout


def test_disabled_capture_is_told_once(cli, ready, tournament):
    tournament.execute("SELECT pgripple.disable()")
    done = cli("check", "-c", ready.path)
    assert done.status == 1
    (line,) = lines_of(done, "error")
    assert line == "error    capture is disabled: changes go unseen"
    assert "SELECT pgripple.enable();" in done.stdout
    tournament.execute("SELECT pgripple.enable()")
    assert cli("check", "-c", ready.path).status == 0


@pytest.mark.parametrize("number, age, level, text", [
    (0, "0 s", "ok", "outbox: 0 waiting"),
    (3, "10 s", "ok", "outbox: 3 waiting, the oldest for 1"),
    (3, "6 min", "warning", "outbox: 3 waiting, the oldest for 36"),
    (100001, "10 s", "warning", "outbox: more than 100000 waiting, "),
])
def test_an_outbox_that_grows_or_ages_is_a_warning(
        cli, ready, tournament, number, age, level, text):
    tournament.execute(
        "INSERT INTO pgripple.outbox (at, bytes, change)"
        f" SELECT clock_timestamp() - interval '{age}', 2, '{{}}'"
        f" FROM generate_series(1, {number})")
    done = cli("check", "-c", ready.path)
    assert done.status == 0
    (line,) = [line for line in done.stdout.splitlines() if "outbox:" in line]
    assert line.startswith(f"{level:<8} {text}")


def test_passwords_are_never_shown(cli, make_config, redis_server):
    config = make_config(
        f"postgresql://me:hush@127.0.0.1:{free_port()}/app",
        f"redis://:hush@127.0.0.1:{free_port()}/0", GRAPH)
    done = cli("check", "-c", config.path)
    assert done.status == 69
    assert "hush" not in done.stdout + done.stderr


def test_the_notify_mode_is_compared(cli, ready):
    ready.write_settings({"postgres": {"notify": "never"}})
    done = cli("check", "-c", ready.path)
    assert done.status == 0
    (line,) = lines_of(done, "warning")
    assert 'notify mode: "always" in the database, "never" in' in line
    assert cli("install", "-c", ready.path).status == 0
    assert lines_of(cli("check", "-c", ready.path), "warning") == []


@pytest.mark.parametrize("mode, text", [
    ("always", "max_prepared_transactions is 5"),
    ("adaptive", "max_prepared_transactions is 5, so the doorbell does not"),
])
def test_prepared_transactions_are_a_warning(cli, make_config, make_postgres,
                                             redis_server, mode, text):
    server = make_postgres(max_prepared_transactions=5)
    database = server.create_database("two_phase")
    database.run_file("tests/system/tournament.sql")
    config = make_config(database.conninfo(), redis_server.url, GRAPH,
                         {"postgres": {"notify": mode}})
    assert cli("install", "-c", config.path).status == 0
    done = cli("check", "-c", config.path)
    assert done.status == 0
    (line,) = lines_of(done, "warning")
    assert text in line
    for connection in database.connections:
        connection.close()


def test_a_role_without_rights_is_told_which_to_grant(cli, ready, tournament):
    role = tournament.create_role()
    ready.write_settings({"postgres": {
        "conninfo": tournament.conninfo(user=role)}})
    done = cli("check", "-c", ready.path)
    assert done.status != 0
    grants = [line.split("run: ", 1)[1] for line in done.stdout.splitlines()
              if "GRANT USAGE ON SCHEMA" in line]
    assert grants, done.stdout
    tournament.execute(grants[0])
    done = cli("check", "-c", ready.path)
    for line in done.stdout.splitlines():
        if "GRANT SELECT ON" in line:
            tournament.execute(line.split("run: ", 1)[1])
    done = cli("check", "-c", ready.path)
    assert done.status == 0, done.stdout
    tournament.execute(f'DROP OWNED BY "{role}"')


@pytest.fixture
def make_pooler(tournament):
    made = []

    def make(pool_mode):
        pooler = PgBouncer(tournament, pool_mode)
        made.append(pooler)
        return pooler.start()

    yield make
    for pooler in made:
        print(pooler.log_text()[-4000:])
        pooler.remove()


@pytest.mark.parametrize("pool_mode", ["transaction", "statement"])
def test_a_transaction_pooler_is_found(cli, ready, make_pooler, pool_mode):
    pooler = make_pooler(pool_mode)
    for _ in range(3):
        done = cli("check", "-c", ready.path, "--conninfo", pooler.conninfo)
        assert done.status == 1, done.stdout
        (line,) = lines_of(done, "error")
        assert "LISTEN and session locks do not work" in line
        assert "direct connection" in done.stdout


def test_a_busy_transaction_pooler_is_found(cli, ready, make_pooler):
    pooler = make_pooler("transaction")
    others = [psycopg2.connect(pooler.conninfo) for _ in range(3)]
    for other in others:
        other.cursor().execute("SELECT 1")
    done = cli("check", "-c", ready.path, "--conninfo", pooler.conninfo)
    assert done.status == 1
    for other in others:
        other.close()


def test_a_pooler_in_session_mode_will_do(cli, ready, make_pooler):
    pooler = make_pooler("session")
    done = cli("check", "-c", ready.path, "--conninfo", pooler.conninfo)
    assert done.status == 0, done.stdout
