"""A backlog: the batch behind a full one is fetched while that is worked on."""

import re

import pytest

from harness.flow import install, vanished, wait_quiet, warm
from harness.wait import wait_until

ITEMS = """\
    models:
      item: {table: item, invalidate: ["item:{id}"]}
      shelf: {table: shelf, invalidate: ["shelf:{name}"]}
    relations:
      - item.shelf_id -> shelf.id
    """
BATCH_ROWS = 10
N_BATCHES = 40
N_ITEMS = BATCH_ROWS * N_BATCHES

MAX_IN_A_ROW = 15       # as in src/flow/batch_prefetch.c

# What the work session ran, with its first parameter.
STATEMENT = re.compile(
    r"execute <unnamed>: .*\.(fetch_changes|acknowledge)\(\$1.*\n"
    r".*parameters: \$1 = '([^']*)'")


@pytest.fixture
def config(database, redis_server, make_config):
    database.execute(
        "CREATE TABLE shelf (id int PRIMARY KEY, name text);"
        " CREATE TABLE item (id int PRIMARY KEY, shelf_id int);"
        " INSERT INTO shelf SELECT n, 's' || n"
        f" FROM generate_series(1, {N_ITEMS}) AS n;"
        " INSERT INTO item SELECT n, n"
        f" FROM generate_series(1, {N_ITEMS}) AS n;"
        f" ALTER DATABASE \"{database.name}\""
        " SET log_min_duration_statement = 0")
    made = make_config(database.conninfo(), redis_server.url, ITEMS,
                       {"limits": {"batch_rows": BATCH_ROWS}})
    install(made)
    return made


def change_all(database):
    """One change for each item, all of them visible at once."""
    database.execute(
        f"DO $$ BEGIN FOR n IN 1..{N_ITEMS} LOOP"
        f" UPDATE item SET shelf_id = 1 + n % {N_ITEMS} WHERE id = n;"
        " END LOOP; END $$")
    return database.value("SELECT array_agg(id ORDER BY id)"
                          " FROM pgripple.outbox")


def delivery(database, log_start):
    """[("fetch", above), ("acknowledge", ids), ...], as they ended."""
    return [("fetch", int(value)) if name == "fetch_changes"
            else ("acknowledge", [int(n) for n in value.strip("{}").split(",")])
            for name, value in
            STATEMENT.findall(database.server.log_text(log_start))]


def test_the_next_batch_is_fetched_before_this_one_is_acknowledged(
        database, config, cache, make_daemon):
    ids = change_all(database)
    assert len(ids) == N_ITEMS
    keys = [f"item:{n}" for n in range(1, N_ITEMS + 1)]
    keys += [f"shelf:s{n}" for n in range(1, N_ITEMS + 1)]
    warm(cache, *keys)
    log_start = database.server.log_size()
    daemon = make_daemon(config)
    wait_quiet(database)
    daemon.stop()
    assert vanished(cache, keys) == set(keys)

    statements = delivery(database, log_start)
    assert statements[:3] == [("fetch", 0), ("fetch", ids[BATCH_ROWS - 1]),
                              ("acknowledge", ids[:BATCH_ROWS])]
    assert [n for name, acknowledged in statements if name == "acknowledge"
            for n in acknowledged] == ids
    # Ahead: above what is not acknowledged yet.  The others begin at the
    # low-water mark, and so see what became visible late.
    acknowledged, n_in_a_row = 0, [0]
    for name, value in statements:
        if name == "acknowledge":
            acknowledged = value[-1]
        elif value > acknowledged:
            n_in_a_row[-1] += 1
        else:
            n_in_a_row.append(0)
    assert max(n_in_a_row) <= MAX_IN_A_ROW
    assert sum(n_in_a_row) > N_BATCHES * 3 // 4


def test_what_was_fetched_ahead_is_fetched_again_on_another_connection(
        database, config, cache, redis_server, make_daemon):
    """There an id may be that of another change."""
    daemon = make_daemon(config)
    wait_quiet(database)
    warm(cache, "item:7777")
    log_start = database.server.log_size()
    redis_server.pause()
    try:
        ids = change_all(database)
        wait_until(lambda: ("fetch", ids[BATCH_ROWS - 1]) in
                   delivery(database, log_start),
                   what="the second batch to be fetched")
        database.execute(
            "UPDATE pgripple.outbox SET change = replace(change::text,"
            f" '\"id\":{BATCH_ROWS + 5}', '\"id\":7777')::json"
            " WHERE id = %s", ids[BATCH_ROWS + 4])
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'pgripple work'")
    finally:
        redis_server.resume()
    wait_quiet(database)
    assert daemon.is_running()
    assert vanished(cache, ["item:7777"]) == {"item:7777"}
