"""The models of the tournament application."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class CustomUser(AbstractUser):
    nickname = models.CharField(max_length=100, null=True)
    avatar = models.CharField(max_length=200, null=True)
    mmr = models.IntegerField(null=True)


class Tournament(models.Model):
    name = models.CharField(max_length=255)
    state = models.CharField(max_length=20, default="future")
    date_played = models.DateTimeField(null=True)
    starts_on = models.DateField(null=True)
    is_public = models.BooleanField(default=True)
    prize = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    code = models.UUIDField(default=uuid.uuid4)
    notes = models.TextField(default="")


class League(Tournament):
    """A tournament, and more: two tables."""

    season = models.IntegerField()


class Team(models.Model):
    name = models.CharField(max_length=100)
    tournament = models.ForeignKey(Tournament, models.CASCADE, null=True,
                                   related_name="teams")
    captain = models.ForeignKey(CustomUser, models.CASCADE, null=True,
                                related_name="captain_of")
    members = models.ManyToManyField(CustomUser, related_name="teams")
    current_points = models.IntegerField(default=0)


class Draft(models.Model):
    tournament = models.OneToOneField(Tournament, models.CASCADE, null=True)
    style = models.CharField(max_length=20, default="snake",
                             db_column="draft_style")


class DraftRound(models.Model):
    draft = models.ForeignKey(Draft, models.CASCADE, related_name="rounds")
    captain = models.ForeignKey(CustomUser, models.CASCADE, null=True,
                                related_name="+")
    choice = models.ForeignKey(CustomUser, models.CASCADE, null=True,
                               related_name="+")
    pick_number = models.IntegerField()


class Game(models.Model):
    tournament = models.ForeignKey(Tournament, models.CASCADE, null=True,
                                   related_name="games")
    radiant_team = models.ForeignKey(Team, models.SET_NULL, null=True,
                                     related_name="+")
    dire_team = models.ForeignKey(Team, models.SET_NULL, null=True,
                                  related_name="+")
    winning_team = models.ForeignKey(Team, models.SET_NULL, null=True,
                                     related_name="+")
    round = models.IntegerField(default=1)
