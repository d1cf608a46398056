"""The tournament application with django-cacheops: what is read from its
caches after a change that sends no signal, and which caches survive it."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import override_settings

from django_project.at_work import ADDED, CHOSEN    # first: sets Django up
from django_project.app.models import CustomUser, Team
from django_project.changes import CHANGES
from django_project.queries import QUERIES
from harness.flow import wait_quiet

pytestmark = pytest.mark.once

# They filter by 25, 0 or a time of Berlin, which the tables hold as 25.00,
# 0.00 and a time of UTC: cacheops takes those for other values.
OTHERWISE_SPELLED = {"prize_25", "prize_nothing", "first_or_odd",
                     "played_at_in_berlin"}


@pytest.fixture(scope="module")
def at_work(django_site):
    """The site with the graph that `manage.py pgripple_graph` prints, the
    application's relations chosen, and the daemon."""
    graph = StringIO()
    call_command("pgripple_graph", stdout=graph)
    django_site.install(choose(graph.getvalue()))
    django_site.daemon.start()
    yield django_site
    django_site.stop()


def choose(graph):
    """The relations of the application in place of all that are offered,
    but for those of inheritance, which count already."""
    offered = {line.lstrip("#").split(": {")[0] for line in graph.splitlines()}
    for line in CHOSEN.splitlines():
        assert line.split(": {")[0] in offered, line
    kept = [line for line in graph.splitlines(True)
            if not line.startswith("#  - ")]
    text = "".join(kept) + CHOSEN + ADDED
    user = "    table: app_customuser\n"
    assert user in text
    return text.replace(user, user + "    ignore: [last_login]\n")


def read_all():
    return {name: query() for name, query in QUERIES.items()}


def read_tables():
    """The same, past all caches."""
    with override_settings(CACHEOPS_ENABLED=False):
        return read_all()


class Asked:
    """Whether the database is asked, through Django."""

    def __init__(self):
        self.is_asked = False

    def __call__(self, execute, sql, params, many, context):
        self.is_asked = True
        return execute(sql, params, many, context)


def is_read_from_cache(query):
    """Its value is in the cache afterwards, at any rate."""
    asked = Asked()
    with connection.execute_wrapper(asked):
        query()
    return not asked.is_asked


def lost():
    """The queries whose values the caches have not; now they have."""
    return {name for name, query in QUERIES.items()
            if not is_read_from_cache(query)}


def differing(before, after):
    return {name for name in before if before[name] != after[name]}


def make(site, change):
    change() if callable(change) else site.write(change)


def lost_today(site, today):
    """Which queries Django itself drops, by signals and by hand."""
    site.fill()
    read_all()
    site.daemon.pause()
    today()
    gone = lost()
    site.daemon.resume()
    return gone


def test_what_is_rolled_back_drops_nothing(at_work):
    at_work.fill()
    read_all()
    assert lost() == set()
    at_work.write("BEGIN; UPDATE app_team SET name = 'x', tournament_id = 3;"
                  " DELETE FROM app_game; ROLLBACK")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Team.objects.update(name="x")
        raise ZeroDivisionError
    at_work.write("BEGIN; UPDATE app_team SET name = 'x' WHERE id = 5;"
                  " SAVEPOINT s; UPDATE app_tournament SET name = 'x';"
                  " ROLLBACK TO s; COMMIT")
    wait_quiet(at_work.database)
    gone = lost()
    assert {"team_5", "teams_without_tournament"} <= gone
    assert not gone & {"team_1", "tournament_1", "games_of_a_team",
                       "teams_of_tournament_1", "tournament_page_3"}


def test_what_is_ignored_drops_nothing(at_work):
    at_work.fill()
    read_all()
    at_work.daemon.pause()
    CustomUser.objects.filter(pk=6).update(last_login="2024-05-01T00:00Z")
    assert at_work.database.changes() == []
    CustomUser.objects.filter(pk=10).update(last_login="2024-05-01T00:00Z",
                                            mmr=1)
    at_work.daemon.resume()
    wait_quiet(at_work.database)
    gone = lost()
    assert "user_10" in gone and "user_6" not in gone


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_stale_and_what_is_not_stays(at_work, name):
    change, today = CHANGES[name]
    gone_today = lost_today(at_work, today)
    at_work.fill()
    before = read_all()

    # Without the daemon all that has changed is read as it was.
    at_work.daemon.pause()
    make(at_work, change)
    after = read_tables()
    changed = differing(before, after)
    assert changed and read_all() == before

    at_work.daemon.resume()
    wait_quiet(at_work.database)
    gone = lost()
    assert differing(read_all(), after) == set()
    needless = gone - gone_today - changed
    assert needless <= OTHERWISE_SPELLED
