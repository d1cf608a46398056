"""pgripple install, sql and uninstall, with a real database."""

import os
import subprocess
import threading
import time

import pytest

from harness.daemon import binary, environment
from harness.wait import wait_until

GRAPH = """
    models:
      tournament:
        table: app_tournament
        invalidate: ["tournament:{id}"]
      team:
        table: app_team
        ignore: [current_points]
        invalidate: ["team:{id}"]
    relations:
      - team.tournament_id -> tournament.id
"""


@pytest.fixture
def config(tournament, redis_server, make_config):
    return make_config(tournament.conninfo(), redis_server.url, GRAPH)


def watched(database, schema="pgripple"):
    return database.execute(
        f'SELECT table_name, columns, ignore, problem FROM "{schema}".watched()')


def test_install_says_what_it_did_and_the_second_run_does_nothing(
        cli, config, tournament):
    done = cli("install", "-c", config.path)
    assert done.status == 0, done.stderr
    assert 'installed schema "pgripple" 0.1.0\n' in done.stdout
    assert 'notify mode is now "always"\n' in done.stdout
    assert "watching public.app_tournament (id)\n" in done.stdout
    assert "watching public.app_team (id, tournament_id)\n" in done.stdout
    assert watched(tournament) == [
        ("public.app_team", ["id", "tournament_id"], ["current_points"], None),
        ("public.app_tournament", ["id"], [], None)]
    before = tournament.dump_schema()

    done = cli("install", "-c", config.path)
    assert done.status == 0 and done.stderr == ""
    assert done.stdout == ("public.app_tournament: already right\n"
                           "public.app_team: already right\n"
                           "nothing changed\n")
    assert tournament.dump_schema() == before


def test_the_notify_mode_that_is_the_default_is_told_too(cli, config):
    config.write_settings({"postgres": {"notify": "adaptive"}})
    done = cli("install", "-c", config.path)
    assert done.status == 0, done.stderr
    assert 'notify mode is now "adaptive"\n' in done.stdout


def test_a_changed_graph_changes_only_what_differs(cli, config, tournament):
    assert cli("install", "-c", config.path).status == 0
    config.write_graph("""
        models:
          team:
            table: app_team
            ignore: [current_points]
            invalidate: ["team:{id}:{name}"]
          user:
            table: app_customuser
            invalidate: ["user:{id}"]
    """)
    done = cli("install", "-c", config.path)
    assert done.status == 0, done.stderr
    assert done.stdout == ("watching public.app_team (id, name)\n"
                           "watching public.app_customuser (id)\n"
                           "no longer watching public.app_tournament\n")
    assert [row[0] for row in watched(tournament)] == [
        "public.app_customuser", "public.app_team"]


def test_a_locked_table_is_named_and_the_next_run_goes_on(
        cli, config, tournament):
    """Somebody reads app_tournament all the time; app_team is free."""
    other = tournament.connect(autocommit=False)
    other.cursor().execute("LOCK app_tournament IN ROW EXCLUSIVE MODE")
    done = cli("install", "-c", config.path)
    assert done.status == 1
    assert "waiting for public.app_tournament: " in done.stdout
    assert "pgripple: error: public.app_tournament: " in done.stderr
    assert 'run "pgripple install" again' in done.stderr
    assert "watching public.app_team" in done.stdout
    other.rollback()

    done = cli("install", "-c", config.path)
    assert done.status == 0
    assert "watching public.app_tournament (id)" in done.stdout
    assert "public.app_team: already right" in done.stdout


def test_a_lock_that_is_given_up_in_time_is_waited_for(cli, config,
                                                       tournament):
    other = tournament.connect(autocommit=False)
    other.cursor().execute("LOCK app_tournament IN ROW EXCLUSIVE MODE")
    done = []
    thread = threading.Thread(
        target=lambda: done.append(cli("install", "-c", config.path)))
    thread.start()
    wait_until(lambda: tournament.value(
        "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0,
        what="install to wait for the lock")
    other.rollback()
    thread.join()
    assert done[0].status == 0, done[0].stderr


@pytest.mark.timing
def test_install_never_holds_writers_up_for_long(cli, config, tournament):
    """A writer queued behind install's lock request goes on within 2 s."""
    other = tournament.connect(autocommit=False)
    other.cursor().execute("LOCK app_tournament IN ROW EXCLUSIVE MODE")
    thread = threading.Thread(
        target=lambda: cli("install", "-c", config.path))
    thread.start()
    wait_until(lambda: tournament.value(
        "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0,
        what="install to wait for the lock")
    start = time.monotonic()
    tournament.execute("UPDATE app_tournament SET name = name WHERE id = 1")
    assert time.monotonic() - start < 4
    other.rollback()
    thread.join()


def test_the_owner_installs_with_a_conninfo_of_their_own(
        cli, config, tournament):
    owner = tournament.create_role()
    tournament.execute(f'ALTER TABLE app_team OWNER TO "{owner}";'
                       f'ALTER TABLE app_tournament OWNER TO "{owner}";'
                       f'GRANT CREATE ON DATABASE "{tournament.name}" TO'
                       f' "{owner}"')
    config.write_settings({"postgres": {"conninfo": "host=/nonexistent"}})
    done = cli("install", "-c", config.path, "--conninfo",
               tournament.conninfo(user=owner))
    assert done.status == 0, done.stderr
    assert tournament.value("SELECT nspowner::regrole::text FROM pg_namespace"
                            " WHERE nspname = 'pgripple'") == owner
    tournament.execute(f'DROP OWNED BY "{owner}" CASCADE')


def test_a_role_without_rights_is_told_the_reason(cli, config, tournament):
    role = tournament.create_role()
    done = cli("install", "-c", config.path, "--conninfo",
               tournament.conninfo(user=role))
    assert done.status == 1
    assert "permission denied" in done.stderr


def test_problems_of_the_graph_stop_install_before_anything_is_done(
        cli, config, tournament):
    config.write_graph("""\
        models:
          team:
            table: app_team
            invalidate: ["team:{idd}"]
    """)
    done = cli("install", "-c", config.path)
    assert done.status == 78
    assert f"{config.graph_path}:4:" in done.stderr
    assert tournament.value("SELECT to_regnamespace('pgripple') IS NULL")


def test_another_schema_name_is_used_throughout(cli, config, tournament):
    config.write_settings({"postgres": {"schema": "cache_ripple"}})
    done = cli("install", "-c", config.path)
    assert done.status == 0, done.stderr
    assert len(watched(tournament, "cache_ripple")) == 2
    assert tournament.value("SELECT to_regnamespace('pgripple') IS NULL")
    assert cli("check", "-c", config.path).status == 0
    done = cli("uninstall", "--yes", "-c", config.path)
    assert done.status == 0, done.stderr
    assert tournament.value(
        "SELECT count(*) FROM pg_namespace WHERE nspname = 'cache_ripple'"
    ) == 0


def test_sql_runs_under_psql_as_it_is(cli, config, tournament):
    done = cli("sql", "-c", config.path)
    assert done.status == 0 and done.stderr == ""
    psql = subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
         tournament.conninfo()],
        input=done.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, timeout=60)
    assert psql.returncode == 0, psql.stderr
    done = cli("install", "-c", config.path)
    assert done.stdout.endswith("nothing changed\n")
    assert cli("check", "-c", config.path).status == 0


def test_sql_needs_no_server(cli, make_config):
    config = make_config("host=/nonexistent", "unix:///nonexistent", GRAPH)
    done = cli("sql", "-c", config.path)
    assert done.status == 0 and "CREATE SCHEMA" in done.stdout


def test_uninstall_leaves_nothing_behind(cli, config, tournament):
    before = tournament.dump_schema()
    assert cli("install", "-c", config.path).status == 0
    done = cli("uninstall", "--yes", "-c", config.path)
    assert done.status == 0, done.stderr
    assert "the triggers of public.app_team\n" in done.stdout
    assert 'the schema "pgripple"' in done.stdout
    assert done.stdout.endswith("removed\n")
    assert tournament.dump_schema() == before
    done = cli("uninstall", "--yes", "-c", config.path)
    assert done.status == 0
    assert done.stdout == ('nothing to remove: schema "pgripple" is not '
                           'installed\n')


def test_uninstall_does_nothing_without_a_yes(cli, config, tournament):
    assert cli("install", "-c", config.path).status == 0
    done = cli("uninstall", "-c", config.path, stdin="yes\n")
    assert done.status == 64
    assert "Give --yes." in done.stderr
    assert len(watched(tournament)) == 2


@pytest.mark.parametrize("answer, status, n_left", [("no", 1, 2),
                                                    ("yes", 0, None)])
def test_uninstall_asks_on_a_terminal(cli, config, tournament, answer, status,
                                      n_left):
    assert cli("install", "-c", config.path).status == 0
    tournament.execute("UPDATE app_team SET name = 'other' WHERE id = 1")
    parent, child = os.openpty()
    process = subprocess.Popen(
        [binary(), "uninstall", "-c", config.path], stdin=child,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment())
    os.close(child)
    os.write(parent, f"{answer}\n".encode())
    stdout, stderr = process.communicate(timeout=60)
    os.close(parent)
    assert process.returncode == status, stderr
    assert "1 change in it that is not yet applied" in stdout
    if n_left is None:
        assert tournament.value("SELECT to_regnamespace('pgripple') IS NULL")
    else:
        assert len(watched(tournament)) == n_left
