"""What a site reads through the ORM, all of it cached. Each query returns
plain data, so that what a cache says can be compared with what the tables
say."""

import datetime
import uuid
from decimal import Decimal

from cacheops import cached_as
from django.db.models import Avg, Count, Max, Q, Sum

from .app.models import (CustomUser, Draft, DraftRound, Game, League, Team,
                         Tournament)

QUERIES = {}


def query(function):
    QUERIES[function.__name__] = function
    return function


def listing(name, queryset):
    """A query that lists objects, with all that a cached object holds."""
    QUERIES[name] = lambda: [
        tuple(getattr(obj, field.attname)
              for field in obj._meta.concrete_fields)
        for obj in queryset().order_by("pk")]


for pk in (1, 2, 3):
    listing(f"tournament_{pk}", lambda pk=pk: Tournament.objects.filter(pk=pk))
for pk in (1, 2, 3, 4, 5):
    listing(f"team_{pk}", lambda pk=pk: Team.objects.filter(pk=pk))
    listing(f"members_of_team_{pk}", lambda pk=pk: Team(pk=pk).members.all())
for pk in (1, 6, 9, 10):
    listing(f"user_{pk}", lambda pk=pk: CustomUser.objects.filter(pk=pk))
    listing(f"teams_of_user_{pk}", lambda pk=pk: CustomUser(pk=pk).teams.all())

# By every kind of value.
for pk in (1, 2):
    listing(f"teams_of_tournament_{pk}",
          lambda pk=pk: Team.objects.filter(tournament=pk))
    listing(f"rounds_of_draft_{pk}",
            lambda pk=pk: DraftRound.objects.filter(draft=pk))
    listing(f"games_of_tournament_{pk}",
            lambda pk=pk: Game.objects.filter(tournament=pk))
    listing(f"draft_of_tournament_{pk}",
            lambda pk=pk: Draft.objects.filter(tournament=pk))
listing("teams_without_tournament",
      lambda: Team.objects.filter(tournament=None))
listing("tournaments_in_progress",
      lambda: Tournament.objects.filter(state="in_progress"))
listing("public_tournaments", lambda: Tournament.objects.filter(is_public=True))
listing("private_tournaments",
      lambda: Tournament.objects.filter(is_public=False))
listing("prize_25", lambda: Tournament.objects.filter(prize=25))
listing("prize_25_00",
      lambda: Tournament.objects.filter(prize=Decimal("25.00")))
listing("prize_nothing", lambda: Tournament.objects.filter(prize=0))
listing("starts_in_may", lambda: Tournament.objects.filter(
    starts_on=datetime.date(2024, 5, 1)))
listing("starts_never", lambda: Tournament.objects.filter(starts_on=None))
listing("played_at", lambda: Tournament.objects.filter(
    date_played=datetime.datetime(2024, 5, 1, 16, 30, 0, 250000,
                                  datetime.timezone.utc)))
listing("played_at_in_berlin", lambda: Tournament.objects.filter(
    date_played="2024-05-01T18:30:00.25+02:00"))
listing("code", lambda: Tournament.objects.filter(
    code=uuid.UUID("584d1348-0000-4000-8000-000000000002")))
listing("odd_name", lambda: Tournament.objects.filter(
    name='O\'Neill & Söhne = "Größe"'))
listing("not_yet_odd_name", lambda: Tournament.objects.filter(
    name="a=b&c='%'\\\n😀,{1}*?[x]"))
listing("snake_drafts", lambda: Draft.objects.filter(style="snake"))
listing("unchosen", lambda: DraftRound.objects.filter(choice=None))

# By conditions that only count as some condition, and by several.
listing("not_in_the_future", lambda: Tournament.objects.exclude(state="future"))
listing("many_points", lambda: Team.objects.filter(current_points__gt=25))
listing("public_and_future",
      lambda: Tournament.objects.filter(state="future", is_public=True))
listing("first_or_odd", lambda: Tournament.objects.filter(
    Q(state="in_progress") | Q(prize=25)))
listing("one_of", lambda: Team.objects.filter(pk__in=[1, 3]))
listing("games_of_a_team", lambda: Game.objects.filter(
    Q(radiant_team=1) | Q(dire_team=1)))
listing("noted", lambda: Tournament.objects.filter(notes="n"))

# Joins.
listing("teams_in_progress",
      lambda: Team.objects.filter(tournament__state="in_progress"))
listing("teams_of_captain",
      lambda: Team.objects.filter(captain__nickname="nick3"))
listing("tournaments_of_member", lambda: Tournament.objects.filter(
    teams__members=6).distinct())
listing("rounds_of_tournament", lambda: DraftRound.objects.filter(
    draft__tournament=1))
listing("without_teams", lambda: Tournament.objects.filter(teams=None))
listing("without_draft", lambda: Tournament.objects.filter(draft=None))
listing("leagues", lambda: League.objects.filter(season=7))


@query
def the_first_tournament():
    found = Tournament.objects.get(pk=1)
    return found.name, found.state


@query
def n_teams():
    return Team.objects.filter(tournament=1).count()


@query
def is_any_future_private():
    return Tournament.objects.filter(state="future", is_public=False).exists()


@query
def points():
    return Team.objects.filter(tournament=1).aggregate(
        Sum("current_points"), Max("current_points"), Avg("current_points"))


@query
def points_of_all():
    return Team.objects.aggregate(Sum("current_points"))


@query
def best_teams():
    return list(Team.objects.order_by("-current_points")
                .values_list("name", flat=True)[:2])


@query
def n_members():
    return sorted(Team.objects.annotate(n=Count("members"))
                  .values_list("pk", "n"))


def tournament_page(pk, **options):
    """Rendered from many tables, and known to depend on two."""
    @cached_as(Tournament.objects.filter(pk=pk), extra=str(options), **options)
    def page():
        return (sorted(Tournament.objects.filter(pk=pk).nocache()
                       .values_list("name", "draft__style")),
                sorted(Team.objects.filter(tournament=pk).nocache()
                       .values_list("name", "current_points")),
                sorted(DraftRound.objects.filter(draft__tournament=pk)
                       .nocache().values_list("pk", "pick_number")),
                sorted(Game.objects.filter(tournament=pk).nocache()
                       .values_list("pk", "round")))
    return page()


def team_page(pk):
    @cached_as(Team.objects.filter(pk=pk), extra=("team", pk))
    def page():
        return (sorted(Team.objects.filter(pk=pk).nocache()
                       .values_list("name", "tournament")),
                sorted(CustomUser.objects.filter(teams=pk).nocache()
                       .values_list("pk", "nickname", "avatar")),
                sorted(DraftRound.objects.filter(captain__captain_of=pk)
                       .nocache().values_list("pk", "pick_number")),
                sorted(Game.objects.filter(Q(radiant_team=pk) |
                                           Q(dire_team=pk)).nocache()
                       .values_list("pk", "round")))
    return page()


def draft_page(pk):
    @cached_as(Draft.objects.filter(pk=pk), extra=("draft", pk))
    def page():
        return (sorted(Draft.objects.filter(pk=pk).nocache()
                       .values_list("style")),
                sorted(DraftRound.objects.filter(draft=pk).nocache()
                       .values_list("pk", "captain", "pick_number")))
    return page()


for pk in (1, 2, 3):
    QUERIES[f"tournament_page_{pk}"] = lambda pk=pk: tournament_page(pk)
for pk in (1, 2, 3, 4, 5):
    QUERIES[f"team_page_{pk}"] = lambda pk=pk: team_page(pk)
for pk in (1, 2):
    QUERIES[f"draft_page_{pk}"] = lambda pk=pk: draft_page(pk)
QUERIES["fresh_tournament_page"] = lambda: tournament_page(1, keep_fresh=True)


@query
def front_page():
    @cached_as(Tournament.objects.filter(state="in_progress"),
               Team.objects.filter(tournament=1), keep_fresh=True)
    def page():
        return (Tournament.objects.filter(state="in_progress").nocache()
                .count(),
                sorted(Team.objects.filter(tournament=1).nocache()
                       .values_list("name")))
    return page()
