"""Asking for invalidations by hand, in the transaction that is open."""

import json

from django.db import connections

from . import waiting
from .conf import graph_name, setting

BY_ROW = (
    "SELECT max(pgripple.invalidate(asked.model, asked.given::jsonb)::text)"
    " FROM unnest(%s::text[], %s::text[]) AS asked (model, given)")
BY_MODEL = (
    "SELECT max(pgripple.invalidate_model(asked.model)::text)"
    " FROM unnest(%s::text[]) AS asked (model)")


def invalidate_after_commit(*objs, using=None):
    """Invalidates what depends on these objects when the open transaction
    commits, or at once if there is none; never if it is rolled back.

    What is asked for is part of the transaction: it is not lost if this
    process dies, and waits if Redis is down. None, and objects without a
    primary key, are skipped: `invalidate_after_commit(team.tournament)` needs
    no condition. The writes of watched tables need no such call.
    """
    asked = sorted(set(rows_of(objs)))
    if asked:
        ask(BY_ROW, [[model for model, _ in asked],
                     [given for _, given in asked]], using)


def invalidate_model_after_commit(*models, using=None):
    """The same for all rows of whole models (model classes)."""
    names = sorted({graph_name(model) for model in models})
    if names:
        ask(BY_MODEL, [names], using)


def ask(sql, params, using):
    if not setting("enabled"):
        return
    connection = connections[using or setting("database")]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        waiting.note(connection, cursor.fetchone()[0])


def rows_of(objs):
    """(model, row as JSON) of each object, and of its parents by multi-table
    inheritance: a row is looked up by its primary key."""
    for obj in objs:
        if obj is None:
            continue
        concrete = obj._meta.concrete_model
        for model in [concrete, *concrete._meta.get_parent_list()]:
            key = model._meta.pk
            value = getattr(obj, key.attname)
            if value is not None:
                yield (graph_name(model), json.dumps(
                    {key.column: key.get_prep_value(value)}, default=str))
