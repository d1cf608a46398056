"""pgripple diff: what install would change, and that it changes just that."""

import subprocess

import pytest

from harness.flow import install
from harness.roles import DAEMON

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

OTHER_GRAPH = """
    models:
      club:
        table: app_team
        invalidate: ["team:{id}:{name}"]
      user:
        table: app_customuser
        invalidate: ["user:{id}"]
"""

OTHER = """\
notify mode: is "always", and is to be "never"
table public.app_team: columns changed since install
table public.app_team: is to capture name, too
table public.app_team: is no longer to capture tournament_id
table public.app_team: is no longer to ignore current_points
table public.app_team: is to write a statement of more than 7 rows as one \
change of the whole table, not one of more than 100000
table public.app_team: is to be known as model "club"
table public.app_team: is no longer to be known as model "team"
table public.app_customuser: is not watched yet
table public.app_customuser: is to be known as model "user"
table public.app_tournament: is in no model, and is no longer to be watched
"""

OTHER_SQL = """\

-- notify never
SELECT "pgripple".notify_mode('never');

-- watch public.app_team
SELECT true = ANY (ARRAY[
    "pgripple".watch('public.app_team'::regclass, ARRAY['id', 'name']::text[], \
ARRAY[]::text[], 7),
    "pgripple".set_models('public.app_team'::regclass, ARRAY['club']::text[])]);

-- watch public.app_customuser
SELECT true = ANY (ARRAY[
    "pgripple".watch('public.app_customuser'::regclass, ARRAY['id']::text[], \
ARRAY[]::text[], 7),
    "pgripple".set_models('public.app_customuser'::regclass, \
ARRAY['user']::text[])]);

-- unwatch public.app_tournament
SELECT "pgripple".unwatch(relid) FROM "pgripple".watch_list \
WHERE table_name = 'public.app_tournament';
"""


@pytest.fixture
def config(tournament, redis_server, make_config):
    return make_config(tournament.conninfo(), redis_server.url, GRAPH)


@pytest.fixture
def diff(cli, config):
    """diff(*options): exit status and what it prints."""
    def run(*options):
        done = cli("diff", *options, "-c", config.path)
        assert done.stderr == ""
        return done.status, done.stdout
    return run


def test_all_that_differs_is_told_and_nothing_else(config, diff, cli,
                                                   tournament):
    assert diff() == (1, """\
schema "pgripple": is not installed
notify mode: is to be "always"
table public.app_tournament: is not watched yet
table public.app_team: is not watched yet
""")
    install(config)     # from here on it asks as the daemon's role
    assert DAEMON in config.settings["postgres"]["conninfo"]
    before = tournament.dump_schema()
    assert diff() == (0, "nothing differs\n")
    assert diff("--sql") == (0, "")

    config.write_graph(OTHER_GRAPH)
    config.write_settings({"postgres": {"notify": "never"},
                           "limits": {"bulk_rows": 7}})
    busy = tournament.connect(autocommit=False)
    busy.cursor().execute("LOCK app_tournament; LOCK app_customuser")
    assert diff("--sql") == (1, OTHER_SQL)
    busy.rollback()
    assert tournament.dump_schema() == before
    tournament.execute("ALTER TABLE app_team ADD n int")
    assert diff() == (1, OTHER)

    psql = subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
         tournament.conninfo()], input=diff("--sql")[1],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert psql.returncode == 0, psql.stderr
    assert diff() == (0, "nothing differs\n")
    done = cli("install", "-c", config.path, "--conninfo",
               config.owner_conninfo)
    assert done.stdout.endswith("nothing changed\n")


def test_of_another_version_nothing_more_can_be_told(config, diff, tournament):
    assert install(config).status == 0
    version = tournament.value("SELECT pgripple.schema_version()")
    tournament.execute(
        "CREATE OR REPLACE FUNCTION pgripple.schema_version() RETURNS integer "
        "LANGUAGE sql IMMUTABLE AS 'SELECT 1'")
    status, told = diff()
    assert status == 1
    assert told == f"""\
schema "pgripple": is of version 0.1.0 (1), and is to be of 0.1.0 ({version})
table public.app_tournament: is to be looked at again by the new version
table public.app_team: is to be looked at again by the new version
"""
    assert "CREATE TABLE IF NOT EXISTS" in diff("--sql")[1]


def test_install_waits_for_nobody_where_triggers_are_right(
        config, cli, diff, tournament):
    """A body alone is replaced while others hold the table, even for a
    migration."""
    assert cli("install", "-c", config.path).status == 0
    reader = tournament.connect(autocommit=False)
    reader.cursor().execute("SELECT * FROM app_team")
    writer = tournament.connect(autocommit=False)
    writer.cursor().execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    config.write_graph(GRAPH.replace("team:{id}", "team:{id}:{name}"))
    done = cli("install", "-c", config.path)
    assert done.status == 0, done.stderr
    assert done.stdout == ("public.app_tournament: already right\n"
                           "watching public.app_team (id, name, "
                           "tournament_id)\n")
    assert diff() == (0, "nothing differs\n")
