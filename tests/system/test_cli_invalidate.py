"""pgripple invalidate: asking by hand, from a shell."""

import re

import pytest

from harness.flow import TEAM_GRAPH, install, vanished, warm
from harness.outbox import take


@pytest.fixture
def config(tournament, redis_server, cache, make_config):
    """Installed; the command connects as the daemon's role."""
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    tournament.execute("DELETE FROM pgripple.outbox")
    return made


@pytest.fixture
def invalidate(cli, config):
    def run(*words):
        return cli("invalidate", *words, "-c", config.path)
    return run


def test_rows_are_asked_for_in_one_transaction(invalidate, tournament):
    done = invalidate("team", "id=1", "id=2,tournament_id=7", '{"id": 3}')
    assert done.status == 0, done.stderr
    xid = tournament.value("SELECT min(xid)::text FROM pgripple.outbox")
    assert done.stdout == (
        f'asked for 3 rows of model "team", transaction {xid}\n')
    assert [change["new"] for change in take(tournament)] == [
        [{"id": "1"}], [{"id": "2", "tournament_id": "7"}], [{"id": "3"}]]


def test_a_model_and_all_of_them(invalidate, tournament):
    assert invalidate("--model", "team").stdout.startswith(
        'asked for model "team", transaction ')
    assert [(c["model"], c["whole"]) for c in take(tournament)] == [
        ("team", "by hand")]
    done = invalidate("--all")
    assert done.status == 64
    assert "nothing invalidated: there is nobody to ask" in done.stderr
    assert take(tournament) == []
    assert invalidate("--all", "--yes").stdout.startswith(
        "asked for every model, transaction ")
    assert [c["model"] for c in take(tournament)] == ["team", "tournament"]


def test_a_dry_run_shows_what_would_be_done_and_writes_nothing(
        invalidate, tournament, cache):
    warm(cache, "team:1", "tournament:1")
    done = invalidate("team", "id=1", "id=77,tournament_id=9", "--dry-run")
    assert done.status == 0, done.stderr
    assert done.stdout == """\
team: id=77, tournament_id=9
  key "team:{id}": unlink team:77
  team.tournament_id -> tournament.id: no lookup needed
    tournament: id=9
      key "tournament:{id}": unlink tournament:9

team: id=1, tournament_id=1
  key "team:{id}": unlink team:1
  team.tournament_id -> tournament.id: no lookup needed
    tournament: id=1
      key "tournament:{id}": unlink tournament:1

lookups
  rows of team, asked for by hand: 1 row
    needed: rows of team must tell tournament_id
    1 key: 1
    SELECT row_to_json(image.*) FROM public.app_team AS t\
 CROSS JOIN LATERAL (SELECT t.id AS "id", t.tournament_id AS "tournament_id")\
 AS image WHERE t.id OPERATOR(pg_catalog.=) ANY ($1::bigint[]) LIMIT 10001

to be done in Redis
  unlink team:77 (team, key "team:{id}", 1 touched row)
  unlink tournament:9 (tournament, key "tournament:{id}", 1 touched row)
  unlink team:1 (team, key "team:{id}", 1 touched row)
  unlink tournament:1 (tournament, key "tournament:{id}", 1 touched row)

nothing was asked for (--dry-run)
"""
    assert take(tournament) == []
    assert len(cache.keys()) == 2


def test_a_dry_run_of_all_asks_nobody(invalidate, tournament):
    done = invalidate("--all", "--dry-run")
    assert done.status == 0, done.stderr
    assert done.stdout.endswith("""
to be done in Redis
  scan team:* (team, key "team:{id}", whole model)
  scan tournament:* (tournament, key "tournament:{id}", whole model)

nothing was asked for (--dry-run)
""")
    assert take(tournament) == []


def test_a_dry_run_does_what_the_daemon_does(
        invalidate, config, tournament, cache, make_daemon):
    keys = [f"{kind}:{n}" for kind in ("team", "tournament")
            for n in range(1, 5)]
    words = ["team", "tournament_id=1", "id=3"]
    told = re.findall(r"^  unlink (\S+) \(",
                      invalidate(*words, "--dry-run").stdout, re.M)
    make_daemon(config)
    warm(cache, *keys)
    assert invalidate(*words, "--wait").status == 0
    assert vanished(cache, keys) == set(told)


def test_a_dry_run_needs_the_graph(invalidate, config, tournament):
    config.write_graph("""
        models:
          tournament: { table: app_tournament }
        """)
    done = invalidate("team", "id=1", "--dry-run")
    assert done.status == 1
    assert 'model "team" is not in the graph' in done.stderr
    assert take(tournament) == []


def test_it_waits_until_it_is_applied(invalidate, config, cache, make_daemon):
    done = invalidate("team", "id=1", "--wait", "--timeout", "100ms")
    assert done.status == 1
    assert "error: not applied within 0.1 s\n" in done.stderr
    make_daemon(config)
    warm(cache, "team:1", "team:2")
    done = invalidate("team", "id=1", "--wait")
    assert done.status == 0, done.stderr
    assert "\napplied after " in done.stdout
    assert cache.keys() == ["team:2"]


def test_what_the_functions_refuse_is_told_and_nothing_is_written(
        invalidate, tournament):
    for words, error, hint in (
            (["taem", "id=1"], 'unknown model "taem"',
             'Models are "team", "tournament".'),
            (["--model", "taem"], 'unknown model "taem"',
             'Models are "team", "tournament".'),
            (["team", "id=1", "nickname=x"],
             'model "team" has no column "nickname" in the graph',
             'Columns are "id", "tournament_id".'),
            (["team", "id=1", "{"], "invalid input syntax for type json", "")):
        done = invalidate(*words)
        assert done.status == 1 and done.stdout == ""
        assert error in done.stderr and hint in done.stderr
        assert take(tournament) == []


@pytest.mark.parametrize("words, error", [
    ([], '"invalidate" needs one of: a model and rows, --model, --all'),
    (["team", "id=1", "--all"],
     '"invalidate" needs one of: a model and rows, --model, --all'),
    (["--all", "--model", "team"],
     '"invalidate" needs one of: a model and rows, --model, --all'),
    (["team"], '"invalidate team" needs a row'),
    (["team", "42"], '"42" is not a row'),
    (["team", "id=1,"], '"id=1," is not a row'),
    (["team", "=1"], '"=1" is not a row'),
    (["team", "a,b=1"], '"a,b=1" is not a row'),
])
def test_a_mistake_is_told(cli, words, error):
    done = cli("invalidate", *words)
    assert done.status == 64 and done.stdout == ""
    assert f"pgripple: error: {error}\n" in done.stderr


def test_before_install_it_says_what_to_run(cli, tournament, redis_server,
                                            make_config):
    config = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    done = cli("invalidate", "team", "id=1", "-c", config.path)
    assert done.status == 1
    assert 'hint: Run "pgripple install".' in done.stderr


def test_values_of_all_kinds_arrive_as_they_are(
        cli, database, redis_server, make_config):
    database.execute("CREATE TABLE page (slug text PRIMARY KEY)")
    config = make_config(database.conninfo(), redis_server.url, """
        models:
          page: { table: page, invalidate: ["page:{slug}"] }
        """)
    install(config)
    values = ["a\nb", "'; DROP TABLE page; --", "x=y", "{", "\\", "ключ \"☃",
              ""]
    done = cli("invalidate", "page", *(f"slug={v}" for v in values),
               "-c", config.path)
    assert done.status == 0, done.stderr
    assert [change["new"] for change in take(database)] == [
        [{"slug": value}] for value in values]
