"""The setting PGRIPPLE, a dict."""

import difflib

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

DEFAULTS = {
    # False where the database has no pgripple: then nothing is asked for, and
    # nothing is waited for.
    "enabled": True,
    # The database that pgripple is installed in, by its name in DATABASES.
    "database": "default",
    # How long a request waits for its own writes to reach Redis.
    "wait_ms": 200,
    # After a wait in vain, for how long the next ones only look, once.
    "pause_ms": 5000,
    # {"app.Team": "team"}: names of models in graph.yaml, where they are not
    # "app_team".
    "models": {},
}


def setting(name):
    """The value of PGRIPPLE[name], or its default."""
    given = getattr(settings, "PGRIPPLE", {})
    for key in given:
        if key not in DEFAULTS:
            near = difflib.get_close_matches(key, DEFAULTS, 1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            raise ImproperlyConfigured(
                f'PGRIPPLE has an unknown key "{key}".{hint}')
    return given.get(name, DEFAULTS[name])


def graph_name(model):
    """What a Django model is called in graph.yaml: PGRIPPLE["models"] says, or
    "app.Team" is "app_team"."""
    meta = model._meta.concrete_model._meta
    names = {label.lower(): name for label, name in setting("models").items()}
    name = names.get(meta.label_lower, f"{meta.app_label}_{meta.model_name}")
    return "".join(c if c.isascii() and c.isalnum() else "_"
                   for c in name)[:63]
