"""Reading the outbox as the tests want it."""

import json


def take(database):
    """Empty the outbox and return its changes, oldest first.

    Numbers become strings, so that a test sees every digit.
    """
    rows = database.execute(
        "DELETE FROM pgripple.outbox RETURNING id, change::text, bytes")
    for _, text, n_bytes in rows:
        assert len(text.encode()) == n_bytes
    return [json.loads(text, parse_int=str, parse_float=str)
            for _, text, _ in sorted(rows)]


def take_one(database):
    """The only change in the outbox."""
    changes = take(database)
    assert len(changes) == 1, changes
    return changes[0]


def watch(database, table, *columns, **more):
    """Call pgripple.watch() and return what it says."""
    options = "".join(f", {name} => %s" for name in more)
    return database.value(
        f"SELECT pgripple.watch(%s::regclass, %s::text[]{options})",
        table, list(columns), *more.values())
