"""contrib/django: what an application calls, as a role with the least rights,
with keys of its own and no cacheops rule."""

import json
import subprocess
import sys
import threading
import time
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import (IntegrityError, ProgrammingError, connection, models,
                       transaction)
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from django_project.at_work import MANAGE       # first: it sets Django up
from django_project.app.models import CustomUser, Draft, League, Team
from harness.daemon import environment
from harness.flow import vanished, wait_quiet
from harness.wait import wait_until
from pgripple_django import (invalidate_after_commit,
                             invalidate_model_after_commit, wait_for_writes,
                             waiting)
from pgripple_django.invalidation import rows_of

pytestmark = pytest.mark.once

GRAPH = """\
    models:
      app_team: { table: app_team, invalidate: ["app_team:{id}"] }
      app_tournament:
        table: app_tournament
        invalidate: ["app_tournament:{id}"]
      app_league:
        table: app_league
        invalidate: ["app_league:{tournament_ptr_id}"]
      cup: { table: app_draft, invalidate: ["cup:{id}"] }
    relations:
      - app_team.tournament_id -> app_tournament.id
    """

KEYS = ([f"app_team:{n}" for n in range(1, 6)]
        + [f"app_tournament:{n}" for n in range(1, 5)]
        + ["app_league:4", "cup:1"])


@pytest.fixture(scope="module")
def keyed(django_site):
    django_site.install(GRAPH)
    django_site.daemon.start()
    yield django_site
    django_site.stop()


@pytest.fixture
def site(keyed):
    """Every key is warm. Nobody remembers a wait in vain."""
    keyed.fill()
    keyed.cache.mset({key: "cached" for key in KEYS})
    waiting.paused_until = 0.0
    yield keyed
    keyed.daemon.resume()


def gone(site):
    return vanished(site.cache, KEYS)


def gone_after_all(site):
    wait_quiet(site.database)
    return gone(site)


def team(pk):
    return Team.objects.nocache().get(pk=pk)


def rename(pk, name):
    Team.objects.filter(pk=pk).update(name=name)


def rename_unwatched():
    CustomUser.objects.filter(pk=1).update(nickname="Ace")


# invalidate_after_commit() --------------------------------------------------

def test_an_object_is_invalidated_after_the_commit(site):
    with transaction.atomic():
        invalidate_after_commit(team(1), team(5))
        assert site.database.changes() == [] and gone(site) == set()
    assert gone_after_all(site) == {"app_team:1", "app_team:5",
                                    "app_tournament:1"}


def test_without_a_transaction_it_is_at_once(site):
    invalidate_after_commit(team(5))
    assert gone_after_all(site) == {"app_team:5"}


def test_a_rollback_takes_it_back_and_so_does_a_savepoint(site):
    class Enough(Exception):
        pass

    with pytest.raises(Enough), transaction.atomic():
        invalidate_after_commit(team(1))
        raise Enough
    with transaction.atomic():
        invalidate_after_commit(team(5))
        with pytest.raises(Enough), transaction.atomic():
            invalidate_after_commit(team(1))
            raise Enough
    assert gone_after_all(site) == {"app_team:5"}


def test_what_has_no_row_is_skipped(site):
    invalidate_after_commit(None, Team(name="not saved"), team(5).tournament)
    invalidate_after_commit()
    assert gone_after_all(site) == set()


def test_a_child_takes_its_parent_along(site):
    invalidate_after_commit(League.objects.nocache().get(pk=4))
    assert gone_after_all(site) == {"app_league:4", "app_tournament:4"}


def test_the_settings_tell_what_a_model_is_called(site):
    with override_settings(PGRIPPLE={"models": {"app.Draft": "cup"}}):
        invalidate_after_commit(Draft(pk=1))
    assert gone_after_all(site) == {"cup:1"}
    with pytest.raises(ProgrammingError, match='unknown model "app_draft"'):
        invalidate_after_commit(Draft(pk=1))


def test_a_whole_model(site):
    invalidate_model_after_commit(Team)
    assert gone_after_all(site) == {key for key in KEYS
                                    if key.startswith(("app_te", "app_to"))}


def test_many_objects_are_one_statement(site):
    teams = list(Team.objects.nocache())
    with CaptureQueriesContext(connection) as captured:
        invalidate_after_commit(*teams, *teams)
    assert len(captured) == 1
    assert gone_after_all(site) == set(KEYS[:7])


def test_keys_of_any_type_become_json():
    class Thing(models.Model):
        code = models.UUIDField(primary_key=True, db_column="the code")

        class Meta:
            app_label = "elsewhere"

    code = UUID("584d1348-0000-4000-8000-000000000001")
    assert list(rows_of([Thing(code=code)])) == [
        ("elsewhere_thing", json.dumps({"the code": str(code)}))]


def test_switched_off_it_needs_no_pgripple(site):
    with override_settings(PGRIPPLE={"enabled": False}), \
            CaptureQueriesContext(connection) as captured:
        with wait_for_writes() as outcome:
            invalidate_after_commit(*[team(5)])
    assert len(captured) == 1 and outcome == []


def test_an_unknown_setting_is_an_error(site):
    with override_settings(PGRIPPLE={"wait_mss": 1}), pytest.raises(
            ImproperlyConfigured, match='Did you mean "wait_ms"'):
        with wait_for_writes():
            pass


# wait_for_writes() ----------------------------------------------------------

def write_in_a_savepoint_that_is_undone():
    with transaction.atomic():
        try:
            with transaction.atomic():
                rename(5, "x")
                raise IntegrityError
        except IntegrityError:
            rename(1, "y")


def write_by_a_cte():
    with connection.cursor() as cursor:
        cursor.execute("WITH t AS (UPDATE app_team SET name = 'x' "
                       "WHERE id = 1 RETURNING id) SELECT id FROM t")
        assert cursor.fetchall() == [(1,)]


def write_twice():
    with transaction.atomic():
        rename(1, "x")
    with transaction.atomic():
        rename(1, "y")
        rename(1, "z")


def save_without_a_transaction():
    one = team(1)
    one.name = "saved"
    one.save()


def ask_by_hand():
    invalidate_after_commit(team(1))


# Sessions that have asked, and wait until they ask again.
WAITING = ("SELECT state, backend_xmin::text FROM pg_stat_activity"
           " WHERE query LIKE '%pgripple.applied%' AND state <> 'active'"
           " AND datname = current_database() AND pid <> pg_backend_pid()")


def thaw_once_somebody_waits(site, seen=None):
    """seen: a list for what such a session looked like."""
    try:
        found = wait_until(lambda: site.database.execute(WAITING), 30,
                           "somebody who waits")
        if seen is not None:
            seen.extend(found)
    finally:
        site.daemon.resume()


@pytest.fixture
def frozen(site):
    """The daemon is frozen until somebody waits: who does not is too early."""
    seen = []
    site.daemon.pause()
    thaw = threading.Thread(target=thaw_once_somebody_waits,
                            args=(site, seen))
    thaw.start()
    yield seen
    thaw.join()


@pytest.mark.parametrize("write", [
    lambda: rename(1, "x"), save_without_a_transaction, write_twice,
    write_by_a_cte, write_in_a_savepoint_that_is_undone, ask_by_hand])
def test_after_the_block_the_caches_are_right(site, frozen, write):
    with wait_for_writes(10000) as outcome:
        write()
    assert outcome == [True]
    assert gone(site) == {"app_team:1", "app_tournament:1"}


def test_who_waits_holds_no_snapshot(site, frozen):
    with wait_for_writes(10000) as outcome:
        rename(1, "x")
    assert outcome == [True] and frozen == [("idle", None)]


def test_a_block_that_reads_asks_nothing(site):
    with CaptureQueriesContext(connection) as captured:
        with wait_for_writes() as outcome:
            team(1)
    assert len(captured) == 1 and outcome == []


def test_a_transaction_is_asked_for_once(site):
    with CaptureQueriesContext(connection) as captured:
        with wait_for_writes() as outcome, transaction.atomic():
            for n in range(20):
                rename(1, f"name {n}")
    asked = [query["sql"] for query in captured
             if "pg_current_xact_id_if_assigned" in query["sql"]]
    assert len(asked) == 1 and outcome == [True]


def test_an_error_of_the_block_is_the_callers(site):
    with pytest.raises(ZeroDivisionError):
        with wait_for_writes():
            rename(1, "x")
            1 / 0
    with wait_for_writes() as outcome:
        rename(1, "y")
    assert outcome == [True]


def test_inside_of_a_transaction_nobody_waits(site):
    with transaction.atomic():
        with wait_for_writes() as inner:
            rename(1, "x")
    assert inner == []


def test_a_wait_in_vain_is_bounded_and_not_repeated(site, caplog):
    site.daemon.pause()
    begin = time.monotonic()
    with wait_for_writes(300) as outcome:
        rename(1, "x")
    assert outcome == [False] and 0.3 <= time.monotonic() - begin < 5
    assert "writes did not reach Redis in 300 ms" in caplog.text
    # For a while it only looks, and waits again once it has seen that all is
    # well.
    begin = time.monotonic()
    with wait_for_writes(60000) as outcome:
        rename(1, "y")
    assert outcome == [False] and time.monotonic() - begin < 30
    site.daemon.resume()
    wait_quiet(site.database)
    with wait_for_writes() as outcome:
        rename_unwatched()
    assert outcome == [True]
    site.daemon.pause()
    begin = time.monotonic()
    with wait_for_writes(300) as outcome:
        rename(1, "z")
    assert outcome == [False] and time.monotonic() - begin >= 0.3


def test_without_the_right_to_wait_nothing_fails(site, caplog):
    site.database.execute(f'REVOKE pgripple_invalidate FROM "{site.role}"')
    try:
        with wait_for_writes() as outcome:
            rename(1, "x")
    finally:
        site.database.execute(f'GRANT pgripple_invalidate TO "{site.role}"')
    assert outcome == [False]
    assert "could not wait for writes to reach Redis: permission denied" in (
        caplog.text)
    assert team(1).name == "x"


# The middleware -------------------------------------------------------------

@pytest.mark.parametrize("atomic", ["", "1"])
def test_who_posts_sees_it_after_the_redirect(site, frozen, atomic):
    client = Client()
    assert client.get("/team/1").content == b"cached"
    answer = client.post("/rename/1", {"name": "Tangoes", "atomic": atomic},
                         follow=True)
    assert answer.content == b"Tangoes"


def test_a_dead_daemon_fails_no_request(site):
    site.daemon.pause()
    with override_settings(PGRIPPLE={"wait_ms": 50}):
        answer = Client().post("/rename/1", {"name": "Tangoes"})
    assert answer.status_code == 302
    assert team(1).name == "Tangoes"


# The migration --------------------------------------------------------------

@pytest.fixture
def sql_file(site, cli, tmp_path):
    done = cli("sql", "-c", site.config.path)
    assert done.status == 0, done.stderr
    path = tmp_path / "pgripple.sql"
    path.write_text(done.stdout)
    return path


def migrate(database, sql_file, **env):
    return subprocess.run(
        [sys.executable, MANAGE, "migrate", "--run-syncdb"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=environment(SITE_HOST=database.server.folder,
                        SITE_PORT=str(database.server.port),
                        SITE_DATABASE=database.name, SITE_USER="postgres",
                        SITE_SQL=str(sql_file), PYTHONDONTWRITEBYTECODE="1",
                        **env))


def test_a_migration_installs_pgripple(database, sql_file):
    done = migrate(database, sql_file)
    assert done.returncode == 0, done.stdout
    assert database.value(
        "SELECT count(*) FROM pgripple.watched()") == 4
    database.execute("INSERT INTO app_team (name, current_points)"
                     " VALUES ('x', 1)")
    assert len(database.changes()) == 1


def test_a_migration_in_a_transaction_is_refused(database, sql_file):
    done = migrate(database, sql_file, SITE_ATOMIC="1")
    assert done.returncode != 0
    assert 'write "atomic = False" in its migration' in done.stdout
    assert database.value("SELECT to_regnamespace('pgripple')::text") is None
