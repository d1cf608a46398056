"""The tournament application: conf/graph.yaml, tests/system/tournament.sql,
what its pages show, and a realistic mix of transactions."""

import os

from harness.postgres import ROOT

# More of what tournament.sql has a little of. Users 1 to 60, tournaments 1 to
# 8, teams 1 to 40 of five each, a draft for each tournament, games.
MORE_ROWS = """
INSERT INTO app_customuser (id, username, nickname, avatar, mmr)
    SELECT n, 'user' || n, 'nick' || n, 'avatar' || n || '.png', 3000 + n
    FROM generate_series(11, 60) AS n;
INSERT INTO app_tournament (id, name) SELECT n, 'Cup ' || n
    FROM generate_series(4, 8) AS n;
INSERT INTO app_team (id, name, tournament_id, captain_id)
    SELECT n, 'Team ' || n, 1 + n % 8, 1 + n % 60
    FROM generate_series(6, 40) AS n;
INSERT INTO app_team_members (team_id, customuser_id)
    SELECT n, 1 + (n * 7 + k * 11) % 60
    FROM generate_series(6, 40) AS n, generate_series(1, 5) AS k;
INSERT INTO app_draft (id, tournament_id) SELECT n, n
    FROM generate_series(3, 8) AS n;
INSERT INTO app_draftround (draft_id, captain_id, choice_id, pick_number)
    SELECT t.tournament_id, t.captain_id, NULL, t.id
    FROM app_team AS t WHERE t.id > 5;
INSERT INTO app_game (tournament_id, radiant_team_id, dire_team_id, round)
    SELECT t.tournament_id, t.id, t.id + 8, 1
    FROM app_team AS t WHERE t.id BETWEEN 6 AND 32;
"""

# The pages: a tournament shows its teams' names, games, and drafts with their
# rounds; a team its members, games, and when its captain picks. They show less
# than the rows have: the points of a team are not on the tournament's page, nor
# the player who was picked on the team's.
VALUES = """
SELECT 'tournament:' || t.id, jsonb_build_array(to_jsonb(t),
    (SELECT jsonb_agg(jsonb_build_array(x.id, x.name) ORDER BY x.id)
     FROM app_team AS x WHERE x.tournament_id = t.id),
    (SELECT jsonb_agg(to_jsonb(g) ORDER BY g.id)
     FROM app_game AS g WHERE g.tournament_id = t.id),
    (SELECT jsonb_agg(jsonb_build_array(d.id, d.draft_style,
            (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id)
             FROM app_draftround AS r WHERE r.draft_id = d.id))
        ORDER BY d.id)
     FROM app_draft AS d WHERE d.tournament_id = t.id))::text
FROM app_tournament AS t
UNION ALL SELECT 'tournament_list', jsonb_agg(to_jsonb(t) ORDER BY t.id)::text
FROM app_tournament AS t
UNION ALL SELECT 'team:' || t.id, jsonb_build_array(to_jsonb(t),
    (SELECT jsonb_agg(jsonb_build_array(u.id, u.nickname, u.avatar)
                      ORDER BY u.id)
     FROM app_team_members AS m JOIN app_customuser AS u
        ON u.id = m.customuser_id
     WHERE m.team_id = t.id),
    (SELECT jsonb_agg(jsonb_build_array(g.id, g.round, g.radiant_team_id,
            g.dire_team_id, g.winning_team_id) ORDER BY g.id)
     FROM app_game AS g WHERE t.id IN (g.radiant_team_id, g.dire_team_id)),
    (SELECT jsonb_agg(jsonb_build_array(r.id, r.pick_number) ORDER BY r.id)
     FROM app_draftround AS r WHERE r.captain_id = t.captain_id))::text
FROM app_team AS t
UNION ALL SELECT 'draft:' || d.id, jsonb_build_array(to_jsonb(d),
    (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id)
     FROM app_draftround AS r WHERE r.draft_id = d.id))::text
FROM app_draft AS d
UNION ALL SELECT 'draft_round:' || r.id, to_jsonb(r)::text
FROM app_draftround AS r
UNION ALL SELECT 'game:' || g.id, to_jsonb(g)::text FROM app_game AS g
UNION ALL SELECT 'user:' || u.id, (to_jsonb(u) - 'last_login')::text
FROM app_customuser AS u
"""

# Weights, and what the application does. {user}, {team} ... are random ids.
MIX = [
    (25, "UPDATE app_customuser SET last_login = now() WHERE id = {user}"),
    (15, "UPDATE app_game SET winning_team_id = CASE WHEN {coin} THEN"
         " radiant_team_id ELSE dire_team_id END WHERE id ="
         " (SELECT id FROM app_game ORDER BY md5(id::text || '{salt}') LIMIT"
         " 1); UPDATE app_team SET current_points = current_points + 3"
         " WHERE id = {team}"),
    (15, "UPDATE app_draftround SET choice_id = {user} WHERE id ="
         " (SELECT id FROM app_draftround ORDER BY md5(id::text || '{salt}')"
         " LIMIT 1)"),
    (10, "UPDATE app_customuser SET mmr = mmr + 25 WHERE id = {user}"),
    (5, "UPDATE app_customuser SET nickname = 'nick{salt}' WHERE id = {user}"),
    (6, "INSERT INTO app_team_members (team_id, customuser_id)"
        " VALUES ({team}, {user}) ON CONFLICT DO NOTHING"),
    (4, "DELETE FROM app_team_members WHERE id = (SELECT min(id) FROM"
        " app_team_members WHERE team_id = {team})"),
    (5, "INSERT INTO app_game (tournament_id, radiant_team_id, dire_team_id,"
        " round) SELECT tournament_id, id, {team}, 2 FROM app_team WHERE id ="
        " {team}"),
    (3, "UPDATE app_team SET name = 'Team {salt}' WHERE id = {team}"),
    (3, "UPDATE app_team SET tournament_id = {tournament} WHERE id = {team}"),
    (2, "UPDATE app_team SET captain_id = {user} WHERE id = {team}"),
    (3, "UPDATE app_tournament SET state = 'state {salt}'"
        " WHERE id = {tournament}"),
    (1, "UPDATE app_game SET round = round + 1 WHERE tournament_id ="
        " {tournament}"),
    (1, "DELETE FROM app_team WHERE id = {team}"),
    (1, "UPDATE app_team SET name = name"),
]

TABLES = ["app_game", "app_draftround", "app_draft", "app_team_members",
          "app_team", "app_tournament", "app_customuser"]


class TournamentStatements:
    def __init__(self, rng):
        self.rng = rng

    def fill_up(self):
        return []

    def transaction(self):
        rng = self.rng
        (_, text), = rng.choices(MIX, [weight for weight, _ in MIX])
        text = text.format(
            user=rng.randint(1, 60), team=rng.randint(1, 40),
            tournament=rng.randint(1, 8), salt=rng.randrange(10000),
            coin=rng.choice(["true", "false"]))
        end = "ROLLBACK" if rng.random() < 0.05 else "COMMIT"
        return ["BEGIN", *text.split("; "), end]


class TournamentCase:
    """Stands where a random Case does."""

    seed = "tournament"
    is_tight = False
    limits = {}

    @staticmethod
    def create(database):
        database.run_file("tests/system/tournament.sql")
        database.execute(MORE_ROWS)

    @staticmethod
    def drop(database):
        database.execute(f"DROP TABLE {', '.join(TABLES)}")

    @staticmethod
    def graph():
        with open(os.path.join(ROOT, "conf/graph.yaml")) as graph:
            return graph.read()

    @staticmethod
    def values():
        return VALUES

    @staticmethod
    def statements(rng, folder):
        return TournamentStatements(rng)
