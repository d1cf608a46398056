"""Every relation of conf/graph.yaml: which keys vanish, and which stay.

All keys that the application could have cached are warm before each change;
what is not expected to vanish must still be there.
"""

import os

import pytest

from harness.flow import install, vanished, wait_quiet, warm
from harness.postgres import ROOT

KEYS = (
    ["tournament_list"]
    + [f"tournament:{n}" for n in range(1, 4)]
    + [f"team:{n}" for n in range(1, 6)]
    + [f"draft:{n}" for n in range(1, 3)]
    + [f"draft_round:{n}" for n in range(1, 5)]
    + [f"game:{n}" for n in range(1, 4)]
    + [f"user:{n}" for n in range(1, 11)]
    + ["unrelated", "team:", "team:1:extra", "tournament:11"]
)

CHANGES = {
    "a draft round leads to its draft, on to the tournament, and to the team"
    " of its captain": (
        "UPDATE app_draftround SET pick_number = 9 WHERE id = 1",
        "draft_round:1 draft:1 tournament:1 team:1"),
    "a draft round that changes its captain leads to both teams": (
        "UPDATE app_draftround SET captain_id = 3 WHERE id = 1",
        "draft_round:1 draft:1 tournament:1 team:1 team:3"),
    "a new draft round leads where an old one does": (
        "INSERT INTO app_draftround (draft_id, captain_id, pick_number)"
        " VALUES (2, 5, 3)",
        "draft:2 tournament:2 team:5"),
    "a draft round without captain leads to no team": (
        "INSERT INTO app_draftround (draft_id, pick_number) VALUES (2, 3)",
        "draft:2 tournament:2"),
    "a deleted draft round leads where it led": (
        "DELETE FROM app_draftround WHERE id = 4",
        "draft_round:4 draft:2 tournament:2 team:4"),
    "a draft leads to its tournament": (
        "UPDATE app_draft SET draft_style = 'shuffle' WHERE id = 2",
        "draft:2 tournament:2"),
    "a draft that is moved leads to both tournaments": (
        "UPDATE app_draft SET tournament_id = 3 WHERE id = 2",
        "draft:2 tournament:2 tournament:3"),
    "a team leads to its tournament": (
        "UPDATE app_team SET name = 'Tangoes' WHERE id = 1",
        "team:1 tournament:1"),
    "a team that is moved leads to both tournaments": (
        "UPDATE app_team SET tournament_id = 2 WHERE id = 1",
        "team:1 tournament:1 tournament:2"),
    "a team that leaves its tournament leads to it": (
        "UPDATE app_team SET tournament_id = NULL WHERE id = 1",
        "team:1 tournament:1"),
    "a team without tournament leads to none": (
        "UPDATE app_team SET name = 'Still Free' WHERE id = 5",
        "team:5"),
    "a game leads to its tournament and both teams, not on from the teams": (
        "UPDATE app_game SET round = 2 WHERE id = 1",
        "game:1 tournament:1 team:1 team:2"),
    "a game of no tournament leads to its team alone": (
        "UPDATE app_game SET round = 2 WHERE id = 3",
        "game:3 team:5"),
    "a game whose radiant team changes leads to all three teams": (
        "UPDATE app_game SET radiant_team_id = 3 WHERE id = 1",
        "game:1 tournament:1 team:1 team:3 team:2"),
    "a game whose dire team changes leads to all three teams": (
        "UPDATE app_game SET dire_team_id = 5 WHERE id = 1",
        "game:1 tournament:1 team:1 team:2 team:5"),
    "a nickname leads to the user's teams, not on to their tournaments": (
        "UPDATE app_customuser SET nickname = 'Ace' WHERE id = 6",
        "user:6 team:1 team:3"),
    "an avatar leads there too": (
        "UPDATE app_customuser SET avatar = 'ace.png' WHERE id = 9",
        "user:9 team:5"),
    "another column of a user leads to no team": (
        "UPDATE app_customuser SET mmr = 1 WHERE id = 6",
        "user:6"),
    "a login is no change": (
        "UPDATE app_customuser SET last_login = now() WHERE id = 6",
        ""),
    "a login beside a nickname is one": (
        "UPDATE app_customuser SET last_login = now(), nickname = 'Ace'"
        " WHERE id = 6",
        "user:6 team:1 team:3"),
    "a user of no team leads to none": (
        "UPDATE app_customuser SET nickname = 'Ace' WHERE id = 10",
        "user:10"),
    "a new member leads to the team": (
        "INSERT INTO app_team_members (team_id, customuser_id)"
        " VALUES (2, 10)",
        "team:2"),
    "a member who leaves leads to the team": (
        "DELETE FROM app_team_members WHERE id = 2",
        "team:1"),
    "a member who changes teams leads to both": (
        "UPDATE app_team_members SET team_id = 4 WHERE id = 2",
        "team:1 team:4"),
    "a tournament leads to its list, being changed itself": (
        "UPDATE app_tournament SET name = 'Summer Cup' WHERE id = 3",
        "tournament:3 tournament_list"),
    "an update that changes nothing is no change": (
        "UPDATE app_tournament SET name = name",
        ""),
    "a deleted tournament takes everything in it along": (
        "DELETE FROM app_tournament WHERE id = 1",
        "tournament:1 tournament_list team:1 team:2 draft:1 draft_round:1"
        " draft_round:2 game:1"),
    "a bulk update leads to every row's dependents": (
        "UPDATE app_team SET current_points = current_points + 1",
        "team:1 team:2 team:3 team:4 team:5 tournament:1 tournament:2"),
    "two changes in a transaction lead where both do": (
        "BEGIN; UPDATE app_team SET name = 'x' WHERE id = 5;"
        " UPDATE app_draft SET draft_style = 'x' WHERE id = 1; COMMIT",
        "team:5 draft:1 tournament:1"),
    "a transaction that is rolled back is none": (
        "BEGIN; UPDATE app_team SET name = 'x'; ROLLBACK",
        ""),
    "a savepoint that is rolled back is none": (
        "BEGIN; UPDATE app_team SET name = 'x' WHERE id = 5; SAVEPOINT s;"
        " UPDATE app_team SET name = 'x' WHERE id = 1;"
        " ROLLBACK TO SAVEPOINT s; COMMIT",
        "team:5"),
    "a truncated table touches its model and its dependents as a whole": (
        "TRUNCATE app_game",
        "game:1 game:2 game:3 team:1 team:2 team:3 team:4 team:5 team:"
        " team:1:extra tournament:1 tournament:2 tournament:3"
        " tournament:11"),
}


@pytest.fixture
def at_work(tournament, cache, redis_server, make_config, make_daemon):
    """The tournament application with conf/graph.yaml and warm keys."""
    with open(os.path.join(ROOT, "conf/graph.yaml")) as graph:
        config = make_config(tournament.conninfo(), redis_server.url,
                             graph.read())
    install(config)
    warm(cache, *KEYS)
    make_daemon(config)
    return tournament


@pytest.mark.parametrize("name", CHANGES)
def test_relation(at_work, cache, name):
    sql, expected = CHANGES[name]
    at_work.execute(sql)
    wait_quiet(at_work)
    assert vanished(cache, KEYS) == set(expected.split())


def test_copy_leads_to_every_rows_dependents(at_work, cache):
    from io import StringIO

    with at_work.own.cursor() as cursor:
        cursor.copy_expert(
            "COPY app_game (tournament_id, radiant_team_id, dire_team_id)"
            " FROM STDIN WITH (FORMAT csv)", StringIO("2,3,4\n,5,\n"))
    wait_quiet(at_work)
    assert vanished(cache, KEYS) == {"tournament:2", "team:3", "team:4",
                                     "team:5"}
