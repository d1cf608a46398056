"""pgripple explain: what a change would lead to, asked of a real database."""

import fnmatch
import json
import os
import re

import pytest

from harness.flow import install, vanished, wait_quiet, warm
from harness.postgres import ROOT
from test_tournament import KEYS


def read_graph():
    with open(os.path.join(ROOT, "conf/graph.yaml"), encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def config(tournament, redis_server, make_config):
    """The tournament's; the command runs as the daemon's role."""
    config = make_config(tournament.conninfo(), redis_server.url, read_graph())
    install(config)
    return config


@pytest.fixture
def explain(cli, config):
    """explain(*args): what it says; with a status, the error."""
    def run(*args, status=0):
        done = cli("explain", *args, "-c", config.path)
        assert done.status == status, done.stdout + done.stderr
        assert (done.stdout if status else done.stderr) == ""
        return done.stderr if status else done.stdout
    return run


@pytest.fixture
def explain_json(explain):
    return lambda *args: json.loads(explain(*args, "--json"))


def test_a_row_that_is_there_is_read_by_its_key(explain):
    assert explain("draft_round", '{"id": 1}') == """\
insert of draft_round, table public.app_draftround
  of the new row draft_id, captain_id: read from the table

draft_round (new): id=1, draft_id=1, captain_id=1
  key "draft_round:{id}": unlink draft_round:1
  draft_round.draft_id -> draft.id: looked up, 1 row
    draft: id=1, tournament_id=1
      key "draft:{id}": unlink draft:1
      draft.tournament_id -> tournament.id: no lookup needed
        tournament: id=1
          key "tournament:{id}": unlink tournament:1
          key "tournament_list": no, the row itself did not change\
 (own_change_only)
  draft_round.captain_id -> team.captain_id: looked up, 1 row
    team: id=1, captain_id=1
      key "team:{id}": unlink team:1
      passes nothing on: reached by a relation that is not transitive

lookups
  draft_round.draft_id -> draft.id: 1 row
    needed: rows of draft must tell tournament_id
    1 key: 1
    SELECT row_to_json(image.*) FROM public.app_draft AS t\
 CROSS JOIN LATERAL (SELECT t.id AS "id", t.tournament_id AS "tournament_id")\
 AS image WHERE t.id OPERATOR(pg_catalog.=) ANY ($1::bigint[]) LIMIT 10001
  draft_round.captain_id -> team.captain_id: 1 row
    needed: rows of team must tell id
    1 key: 1
    SELECT row_to_json(image.*) FROM public.app_team AS t\
 CROSS JOIN LATERAL (SELECT t.id AS "id", t.captain_id AS "captain_id")\
 AS image WHERE t.captain_id OPERATOR(pg_catalog.=) ANY ($1::bigint[])\
 LIMIT 10001

to be done in Redis
  unlink draft_round:1 (draft_round, key "draft_round:{id}", 1 touched row)
  unlink draft:1 (draft, key "draft:{id}", 1 touched row)
  unlink team:1 (team, key "team:{id}", 1 touched row)
  unlink tournament:1 (tournament, key "tournament:{id}", 1 touched row)
"""


def of_update(model, old, new):
    return [model, "--old", json.dumps(old), "--new", json.dumps(new)]


CHANGES = {
    "moved": (
        "UPDATE app_team SET tournament_id = 2 WHERE id = 1",
        of_update("team", {"id": 1, "tournament_id": 1},
                  {"tournament_id": 2})),
    "nickname": (
        "UPDATE app_customuser SET nickname = 'B' WHERE id = 6",
        of_update("user", {"id": 6, "nickname": "nick6"},
                  {"nickname": "B"})),
    "another column": (
        "UPDATE app_customuser SET mmr = 1 WHERE id = 6",
        of_update("user", {"id": 6, "mmr": 3006}, {"mmr": 1})),
    "ignored column": (
        "UPDATE app_customuser SET last_login = now() WHERE id = 6",
        of_update("user", {"id": 6, "last_login": None},
                  {"last_login": "2026-01-01"})),
    "nothing": (
        "UPDATE app_team SET name = name WHERE id = 1",
        of_update("team", {"id": 1, "name": "Ancients"},
                  {"name": "Ancients"})),
    "insert": (
        "INSERT INTO app_game (id, tournament_id, radiant_team_id)"
        " VALUES (50, 1, 3)",
        ["game", '{"id": 50, "tournament_id": 1, "radiant_team_id": 3,'
         ' "dire_team_id": null}']),
    "delete": (
        "DELETE FROM app_draftround WHERE id = 4",
        ["draft_round", "--op", "delete", '{"id": 4}']),
    "truncate": (
        "TRUNCATE app_game", ["game", "--op", "truncate"]),
    "by hand": (
        """SELECT pgripple.invalidate('draft_round', '{"draft_id": 1}')""",
        ["draft_round", "--op", "invalidate", '{"draft_id": 1}']),
    "by hand, not there": (
        """SELECT pgripple.invalidate('team', '{"id": 1, "captain_id": 7}')""",
        ["team", "--op", "invalidate", '{"id": 1, "captain_id": 7}']),
    "a model by hand": (
        "SELECT pgripple.invalidate_model('draft')",
        ["draft", "--op", "invalidate"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_daemon_does_what_was_explained(
        explain_json, config, tournament, cache, make_daemon, name):
    sql, words = CHANGES[name]
    told = [one["key"] for one in explain_json(*words)["operations"]]
    expected = {key for key in KEYS
                if any(fnmatch.fnmatch(key, one) for one in told)}
    make_daemon(config)
    warm(cache, *KEYS)
    tournament.execute(sql)
    wait_quiet(tournament)
    assert vanished(cache, KEYS) == expected


def test_nothing_is_written_anywhere(
        explain, config, tournament, postgres, cache):
    cache.set("team:1", "fresh")
    tournament.execute(
        f'ALTER DATABASE "{tournament.name}" SET log_statement = \'all\'')
    commands = cache.info("commandstats").keys()
    start = postgres.log_size()
    explain("draft_round", '{"id": 1}')
    log = postgres.log_text(start)
    statements = re.findall(
        r"LOG:  (?:statement|execute [^:]*): *(\w+) *(\w*)", log)
    assert len(statements) > 5, log
    assert {first for first, _ in statements} <= {"SET", "SELECT", "WITH"}
    assert ("SET", "default_transaction_read_only") in statements, log
    assert "default_transaction_read_only = on" in log
    assert cache.info("commandstats").keys() <= commands | {"cmdstat_info"}


def test_redis_need_not_be_there(cli, config, explain):
    config.write_settings({"redis": {"url": "redis://127.0.0.1:1/0"}})
    assert "unlink team:1 " in explain("team", '{"id": 1}')


def test_a_row_that_is_not_there_has_unknown_columns(explain_json):
    told = explain_json("team", '{"id": 77}')
    assert told["notes"] == [
        "of the new row captain_id, tournament_id: not known, as the table"
        " has no such row"]
    assert [one["key"] for one in told["operations"]] == [
        "team:77", "tournament:*"]
    assert told["escalations"][0]["cause"] == "unknown value"


def test_a_limit_of_the_settings_is_told(config, explain_json):
    config.write_settings({"limits": {"lookup_rows": 1}})
    told = explain_json(*of_update(
        "user", {"id": 6, "nickname": "nick6"}, {"nickname": "B"}))
    assert [(one["cause"], one["why"]) for one in told["escalations"]] == [
        ("lookup rows",
         "more rows are found than limits.lookup_rows (1)")]
    assert "team:*" in [one["key"] for one in told["operations"]]


def test_a_lookup_that_is_refused_is_told(explain_json, tournament):
    tournament.execute("REVOKE SELECT ON app_draft FROM pgripple_daemon")
    told = explain_json("draft_round", '{"id": 1}')
    assert "permission denied for table app_draft" in (
        told["lookups"][0]["problem"])
    assert [one["cause"] for one in told["escalations"]] == ["lookup failed"]
    assert {"do": "scan", "key": "draft:*", "model": "draft",
            "rule": 'key "draft:{id}"', "n_rows": 1, "whole": True} in (
        told["operations"])


def test_values_that_may_be_equal_and_differ_in_text_are_looked_up(
        cli, database, redis_server, make_config):
    database.execute("""
        CREATE TABLE a (id int PRIMARY KEY, price numeric);
        CREATE TABLE b (price numeric(8, 2), name text);
        INSERT INTO b VALUES (5, 'x')""")
    config = make_config(database.conninfo(), redis_server.url, """
        models:
          a: { table: a }
          b: { table: b, invalidate: ["b:{price}"] }
        relations:
          - a.price -> b.price
        """)
    install(config)
    done = cli("explain", "a", '{"id": 1, "price": 5}', "--json", "-c",
               config.path)
    assert done.status == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["lookups"][0]["why"] == (
        "price (numeric) and price (numeric) may be equal and differ in text")
    assert [one["key"] for one in told["operations"]] == ["b:5.00"]


def test_the_lookup_of_what_is_asked_by_hand_is_told(explain):
    assert explain("draft", "--op", "invalidate", '{"id": 1}') == """\
invalidate of draft, table public.app_draft

draft: id=1, tournament_id=1
  key "draft:{id}": unlink draft:1
  draft.tournament_id -> tournament.id: no lookup needed
    tournament: id=1
      key "tournament:{id}": unlink tournament:1
      key "tournament_list": no, the row itself did not change\
 (own_change_only)

lookups
  rows of draft, asked for by hand: 1 row
    needed: rows of draft must tell tournament_id
    1 key: 1
    SELECT row_to_json(image.*) FROM public.app_draft AS t\
 CROSS JOIN LATERAL (SELECT t.id AS "id", t.tournament_id AS "tournament_id")\
 AS image WHERE t.id OPERATOR(pg_catalog.=) ANY ($1::bigint[]) LIMIT 10001

to be done in Redis
  unlink draft:1 (draft, key "draft:{id}", 1 touched row)
  unlink tournament:1 (tournament, key "tournament:{id}", 1 touched row)
"""


def test_offline_needs_no_server(cli, tournament, redis_server, make_config):
    config = make_config("host=/nowhere dbname=x", redis_server.url,
                         read_graph())
    done = cli("explain", "game", "--offline", "-c", config.path,
               '{"id": 1, "tournament_id": 2, "radiant_team_id": null}')
    assert done.status == 0, done.stderr
    assert "offline: no table is read" in done.stdout
    assert "of the new row dire_team_id: not given" in done.stdout
    assert "unlink tournament:2 " in done.stdout
    assert "scan team:* " in done.stdout


@pytest.mark.parametrize("words, error", [
    ([], '"explain" needs the name of a model'),
    (["team"], '"explain" needs a row after the model'),
    (["team", "{}", "x"], 'unexpected word "x" after "{}"'),
    (["team", '{"id": 1'], "the text is not valid JSON: premature EOF at"
     " byte 8"),
    (["team", "[]"], "the row is array instead of an object"),
    (["team", "--new", "7"], "--new is number instead of an object"),
    (["team", "--op", "updat", "{}"], 'Did you mean "update"?'),
    (["team", "--op", "invalidate", "--old", "{}"],
     "--op invalidate needs no old row"),
    (["team", "--op", "update", "--new", "{}"],
     "--op update needs the old and the new row"),
])
def test_a_mistake_in_the_words_is_told(cli, words, error):
    done = cli("explain", *words)
    assert done.status == 64 and done.stdout == ""
    assert error in done.stderr


def test_what_is_not_in_graph_or_database_is_told(explain):
    for words, error in [
            (["taem", '{"id": 1}'], 'Did you mean "team"?'),
            (["app_team", '{"id": 1}'], 'the graph has no model "app_team"'),
            (["team", '{"nmae": 1}'], 'Did you mean "name"? It has id, name,'
             " tournament_id, captain_id, current_points."),
            (["team", '{"id": "x"}'],
             "invalid input syntax for type bigint")]:
        assert error in explain(*words, status=1)


def test_what_is_wrong_with_the_database_is_told(
        cli, tournament, redis_server, make_config):
    config = make_config(tournament.conninfo(), redis_server.url, read_graph())
    done = cli("explain", "team", '{"id": 1}', "-c", config.path)
    assert done.status == 1
    assert 'schema "pgripple" is not installed' in done.stderr
    assert 'Run "pgripple install", or give --offline.' in done.stderr
    install(config)
    tournament.execute("DROP TABLE app_game")
    done = cli("explain", "team", '{"id": 1}', "-c", config.path)
    assert done.status == 78 and "app_game" in done.stderr
    assert re.search(r"graph\.yaml:\d+:\d+: error: ", done.stderr)
    done = cli("explain", "team", '{"id": 1}', "-c", config.path,
               "--conninfo", "host=/nowhere dbname=x")
    assert done.status == 69 and done.stdout == ""
