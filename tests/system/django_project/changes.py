"""What changes: by SQL, or by calls of the ORM that send no signal; and what
the application would have had to do instead, were there no pgripple: save()
with its signals, and invalidate_obj() for what depends on the row."""

from collections import namedtuple

from cacheops import invalidate_obj
from django.db import connection, transaction
from django.db.models import F

from .app.models import (CustomUser, Draft, DraftRound, Game, League, Team,
                         Tournament)

# change: SQL, or a function. today: a function.
Change = namedtuple("Change", "change today")


def get(model, pk):
    return model.objects.nocache().get(pk=pk)


def dependents(obj):
    """The application's table: changed -> also invalidate."""
    if isinstance(obj, DraftRound):
        teams = Team.objects.nocache().filter(captain=obj.captain_id)
        return [obj.draft, *dependents(obj.draft),
                *(teams if obj.captain_id else [])]
    if isinstance(obj, (Draft, Team)):
        return [obj.tournament] if obj.tournament else []
    if isinstance(obj, Game):
        return [each for each in (obj.tournament, obj.radiant_team,
                                  obj.dire_team) if each]
    if isinstance(obj, CustomUser):
        return list(obj.teams.nocache())
    return []


def saving(model, pk, **values):
    """today: one object gets new values."""
    def today():
        before = dependents(get(model, pk))
        obj = get(model, pk)
        for name, value in values.items():
            setattr(obj, name, value)
        obj.save()
        for each in [*before, *dependents(obj)]:
            invalidate_obj(each)
    return today


def creating(model, **values):
    def today():
        for each in dependents(model.objects.create(**values)):
            invalidate_obj(each)
    return today


def deleting(model, pk):
    def today():
        obj = get(model, pk)
        affected = dependents(obj)
        obj.delete()
        for each in affected:
            invalidate_obj(each)
    return today


def linking(team, user, method):
    def today():
        getattr(Team(pk=team).members, method)(user)
        invalidate_obj(get(Team, team))
    return today


def each_of(*todays):
    def today():
        for one in todays:
            one()
    return today


def set_sql(table, pk, assignments):
    return f"UPDATE {table} SET {assignments} WHERE id = {pk}"


def bulk_update_teams():
    teams = list(Team.objects.nocache().filter(pk__in=[1, 4]))
    for team in teams:
        team.current_points += 100
    Team.objects.bulk_update(teams, ["current_points"])


def create_teams_in_bulk():
    # cacheops invalidates what bulk_create() returns; with a conflict, or
    # without it, it does not know: so that none of it helps.
    from cacheops import no_invalidation
    with no_invalidation:
        Team.objects.bulk_create([
            Team(name="New A", tournament_id=2, current_points=1),
            Team(name="New B", tournament_id=None, current_points=99)])


def link_in_bulk():
    from cacheops import no_invalidation
    with no_invalidation:
        Team.members.through.objects.bulk_create([
            Team.members.through(team_id=2, customuser_id=10)])


def update_through():
    Team.members.through.objects.filter(team_id=1, customuser_id=6).update(
        team_id=4)


def by_cursor():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE app_game SET round = round + 1, "
                       "winning_team_id = 2 WHERE id = 1")


CHANGES = {
    "a tournament is renamed": Change(
        set_sql("app_tournament", 1, "name = 'Summer Cup'"),
        saving(Tournament, 1, name="Summer Cup")),
    "a tournament gets an odd name": Change(
        set_sql("app_tournament", 3,
                r"name = E'a=b&c=\'%\'\\\n😀,{1}*?[x]'"),
        saving(Tournament, 3, name="a=b&c='%'\\\n😀,{1}*?[x]")),
    "a tournament loses an odd name": Change(
        set_sql("app_tournament", 2, "name = 'Plain'"),
        saving(Tournament, 2, name="Plain")),
    "a tournament starts": Change(
        lambda: Tournament.objects.filter(pk=3).update(state="in_progress"),
        saving(Tournament, 3, state="in_progress")),
    "a flag": Change(
        set_sql("app_tournament", 2, "is_public = NOT is_public"),
        saving(Tournament, 2, is_public=True)),
    "a decimal": Change(
        set_sql("app_tournament", 3, "prize = 25"),
        saving(Tournament, 3, prize=25)),
    "a decimal goes": Change(
        set_sql("app_tournament", 2, "prize = 0"),
        saving(Tournament, 2, prize=0)),
    "a date": Change(
        set_sql("app_tournament", 3, "starts_on = '2024-05-01'"),
        saving(Tournament, 3, starts_on="2024-05-01")),
    "a time": Change(
        set_sql("app_tournament", 3,
                "date_played = '2024-05-01 16:30:00.25+00'"),
        saving(Tournament, 3, date_played="2024-05-01T16:30:00.25Z")),
    "a time goes": Change(
        set_sql("app_tournament", 1, "date_played = NULL"),
        saving(Tournament, 1, date_played=None)),
    "a uuid": Change(
        set_sql("app_tournament", 2,
                "code = '584d1348-0000-4000-8000-00000000000f'"),
        saving(Tournament, 2, code="584d1348-0000-4000-8000-00000000000f")),
    "a long text": Change(
        set_sql("app_tournament", 1, "notes = repeat('x', 5000)"),
        saving(Tournament, 1, notes="x" * 5000)),
    "the parent's part of a league": Change(
        set_sql("app_tournament", 4, "name = 'Premier'"),
        each_of(saving(Tournament, 4, name="Premier"),
                saving(League, 4, name="Premier"))),
    "the child's part of a league": Change(
        "UPDATE app_league SET season = 8 WHERE tournament_ptr_id = 4",
        saving(League, 4, season=8)),
    "a team is renamed": Change(
        set_sql("app_team", 1, "name = 'Tangoes'"),
        saving(Team, 1, name="Tangoes")),
    "a team moves": Change(
        lambda: Team.objects.filter(pk=1).update(tournament=2),
        saving(Team, 1, tournament_id=2)),
    "a team leaves its tournament": Change(
        set_sql("app_team", 1, "tournament_id = NULL"),
        saving(Team, 1, tournament_id=None)),
    "a team of no tournament": Change(
        set_sql("app_team", 5, "name = 'Still Free'"),
        saving(Team, 5, name="Still Free")),
    "points of all teams of a tournament": Change(
        lambda: Team.objects.filter(tournament=1).update(
            current_points=F("current_points") + 1),
        each_of(saving(Team, 1, current_points=11),
                saving(Team, 2, current_points=21))),
    "two teams, by bulk_update": Change(
        bulk_update_teams,
        each_of(saving(Team, 1, current_points=110),
                saving(Team, 4, current_points=140))),
    "two teams, by bulk_create": Change(
        create_teams_in_bulk,
        each_of(creating(Team, name="New A", tournament_id=2,
                         current_points=1),
                creating(Team, name="New B", current_points=99))),
    "the first team of a tournament": Change(
        "INSERT INTO app_team (name, tournament_id, current_points)"
        " VALUES ('First', 3, 0)",
        creating(Team, name="First", tournament_id=3)),
    "a member by bulk_create": Change(link_in_bulk, linking(2, 10, "add")),
    "a member goes": Change(
        "DELETE FROM app_team_members WHERE team_id = 1 AND customuser_id = 6",
        linking(1, 6, "remove")),
    "a member changes teams, by update": Change(
        update_through,
        each_of(linking(1, 6, "remove"), linking(4, 6, "add"))),
    "a draft style, in a column of another name": Change(
        set_sql("app_draft", 2, "draft_style = 'snake'"),
        saving(Draft, 2, style="snake")),
    "a draft moves": Change(
        set_sql("app_draft", 2, "tournament_id = 3"),
        saving(Draft, 2, tournament_id=3)),
    "a new draft": Change(
        "INSERT INTO app_draft (tournament_id, draft_style)"
        " VALUES (3, 'snake')",
        creating(Draft, tournament_id=3)),
    "a draft round": Change(
        set_sql("app_draftround", 1, "pick_number = 9"),
        saving(DraftRound, 1, pick_number=9)),
    "a draft round is chosen": Change(
        lambda: DraftRound.objects.filter(pk=3).update(choice=8),
        saving(DraftRound, 3, choice_id=8)),
    "a draft round changes its captain": Change(
        set_sql("app_draftround", 1, "captain_id = 3"),
        saving(DraftRound, 1, captain_id=3)),
    "a draft round is deleted": Change(
        "DELETE FROM app_draftround WHERE id = 4",
        deleting(DraftRound, 4)),
    "a game, by a cursor": Change(
        by_cursor, saving(Game, 1, round=2, winning_team_id=2)),
    "a game changes a team": Change(
        set_sql("app_game", 1, "radiant_team_id = 3"),
        saving(Game, 1, radiant_team_id=3)),
    "a game of no tournament": Change(
        set_sql("app_game", 3, "round = 5"), saving(Game, 3, round=5)),
    "a nickname": Change(
        lambda: CustomUser.objects.filter(pk=6).update(nickname="Ace"),
        saving(CustomUser, 6, nickname="Ace")),
    "a nickname of a captain": Change(
        set_sql("app_customuser", 3, "nickname = NULL"),
        saving(CustomUser, 3, nickname=None)),
    "a user of no team": Change(
        set_sql("app_customuser", 10, "mmr = 1"),
        saving(CustomUser, 10, mmr=1)),
    "two changes in a transaction": Change(
        "BEGIN; UPDATE app_team SET name = 'x' WHERE id = 5;"
        " UPDATE app_draft SET draft_style = 'x' WHERE id = 1; COMMIT",
        each_of(saving(Team, 5, name="x"), saving(Draft, 1, style="x"))),
}
