"""The recipes of docs/recipes, as they stand there: readers whose fills come
late race the daemon, and the stale values that survive are counted."""

import random
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.flow import install, wait_quiet, warm
from harness.postgres import run
from harness.recipes import (Racer, install_node_modules, read_blocks,
                             write_blocks)

pytestmark = pytest.mark.once

N_FILLS = 240           # each overtaken by a change of its row
N_ROUNDS = 10           # each of fills overtaken by a change of all rows
N_AT_A_TIME = 8
N_WRITERS = 4
MAX_LATE = 0.02         # seconds
N_OWN_WRITES = 40

IMMUNE = ["fence.py", "fence_watch.py", "fence.mjs", "version.py",
          "version.mjs"]


@pytest.fixture(scope="module")
def blocks():
    """The code of the pages as files in a folder."""
    install_node_modules()
    folder = write_blocks()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start(database, redis_server, cache, make_config, make_daemon, blocks):
    """start(recipe): the daemon at work with the graph of that recipe's page,
    and readers that use it, as a role with the rights that the pages name."""
    racers = []

    def at_work(recipe):
        page = recipe.partition(".")[0].partition("_")[0]
        code = read_blocks()
        database.execute(code["team.sql"])
        database.execute("INSERT INTO team"
                         " SELECT n, 0 FROM generate_series(1, 1000) AS n")
        config = make_config(database.conninfo(), redis_server.url,
                             code[f"{page}.yaml"],
                             {"limits": {"bulk_rows": 100}})
        install(config)
        role = database.create_role()
        database.execute(f"GRANT pgripple_invalidate TO {role};"
                         f"GRANT SELECT, UPDATE ON team TO {role}")
        make_daemon(config)
        racers.append(Racer(blocks, recipe, database.conninfo(user=role),
                            redis_server.socket))
        return racers[0]

    yield at_work
    for racer in racers:
        racer.close()


def read_all(racer, numbers):
    """What readers get now: team and loaded, by number."""
    racer.ask(*({"do": "read", "id": n} for n in numbers))
    return {one["id"]: one for one in racer.take(len(numbers))}


def count_stale(racer, database, numbers):
    """Readers that get a value which is not the row's, now that everything
    was applied. After that all of them must hit, and what they read is kept."""
    wait_quiet(database)
    rows = dict(database.execute("SELECT id, points FROM team"))
    first, second = read_all(racer, numbers), read_all(racer, numbers)
    assert not any(one["loaded"] for one in second.values())
    assert all(second[n]["team"] == first[n]["team"] for n in numbers)
    return sum(first[n]["team"]["points"] != rows[n] for n in numbers)


def fills(numbers, late):
    """A third are held until they are released, which is when the change was
    applied; the others go on at any moment."""
    return [{"do": "fill", "id": n,
             "late": None if n % 3 == 0 else late.uniform(0, MAX_LATE)}
            for n in numbers]


def release(racer, *tasks):
    racer.ask(*({"do": "release", "id": task["id"]} for task in tasks
                if task["late"] is None))


def write_rows(racer, database, tasks, n):
    """Commit changes of the next n rows that were selected; held fills of
    them go on when that was applied."""
    writer = database.connect()
    for _ in range(n):
        task = tasks[racer.selected.get(timeout=30) - 1]
        xid = run(writer, "UPDATE team SET points = points + 1 WHERE id = %s"
                  " RETURNING pg_current_xact_id()::text", task["id"])[0][0]
        if task["late"] is None:
            run(writer, "CALL pgripple.wait_applied(%s::xid8, '10 s')", xid)
            release(racer, task)


def race_rows(racer, database):
    """Every fill is overtaken by a commit to its row. How many were stale."""
    tasks = fills(range(1, N_FILLS + 1), random.Random(1))
    racer.ask(*tasks)
    with ThreadPoolExecutor(N_WRITERS) as threads:
        writers = [threads.submit(write_rows, racer, database, tasks,
                                  N_FILLS // N_WRITERS)
                   for _ in range(N_WRITERS)]
        for one in writers:
            one.result()
    racer.take(len(tasks))
    return count_stale(racer, database, [task["id"] for task in tasks])


def race_models(racer, database):
    """Fills are overtaken by a commit to all rows, which is applied to the
    whole model. How many were stale."""
    late = random.Random(2)
    n_stale = 0
    for i in range(N_ROUNDS):
        first = 500 + i * N_AT_A_TIME
        tasks = fills(range(first, first + N_AT_A_TIME), late)
        racer.ask(*tasks)
        for _ in tasks:
            racer.selected.get(timeout=30)
        database.execute("UPDATE team SET points = points + 1")
        wait_quiet(database)
        release(racer, *tasks)
        racer.take(len(tasks))
        n_stale += count_stale(racer, database, [t["id"] for t in tasks])
    return n_stale


@pytest.mark.parametrize("recipe", IMMUNE)
def test_no_late_fill_survives(start, database, recipe):
    racer = start(recipe)
    assert race_rows(racer, database) == 0
    assert race_models(racer, database) == 0


@pytest.mark.parametrize("recipe", ["plain.py", "plain.mjs"])
def test_late_fills_of_plain_keys_survive_for_the_ttl(
        start, database, cache, recipe):
    """Which shows, too, that these races are real."""
    racer = start(recipe)
    n_rows = race_rows(racer, database)
    n_models = race_models(racer, database)
    print(f"{recipe}: {n_rows} of {N_FILLS}, {n_models} of"
          f" {N_ROUNDS * N_AT_A_TIME}")
    assert n_rows >= N_FILLS // 3
    assert n_models >= N_ROUNDS * N_AT_A_TIME // 3
    assert all(0 < cache.ttl(key) <= 60 for key in cache.keys("team:*"))


@pytest.mark.parametrize("recipe", ["plain.py", "plain.mjs"])
def test_own_writes_are_read(start, recipe):
    racer = start(recipe)
    seen = {}
    for wait in (False, True):
        numbers = range(1, N_OWN_WRITES + 1)
        read_all(racer, numbers)                            # warm
        seen[wait] = racer.do(*({"do": "own", "id": n, "wait": wait}
                                for n in numbers))
    old = [one for one in seen[False] if one["team"]["points"] < one["wrote"]]
    print(f"{recipe}: {len(old)} of {N_OWN_WRITES} without waiting")
    assert old
    for one in seen[True]:
        assert one["applied"] is True
        assert one["team"]["points"] == one["wrote"]


@pytest.mark.parametrize("recipe", ["plain.py", "plain.mjs"])
def test_what_is_asked_by_hand_is_done_after_the_commit(start, cache, recipe):
    racer = start(recipe)
    warm(cache, "team:1", "team:2", "team:3")
    answers = racer.do({"do": "ask", "id": 1, "commit": False},
                       {"do": "ask", "id": 2, "commit": True})
    assert answers[1]["applied"] is True
    assert sorted(cache.keys("team:*")) == ["team:1", "team:3"]


@pytest.mark.parametrize("script", ["own_writes.sql", "by_hand.sql"])
def test_the_scripts_for_psql(start, database, cache, script):
    start("plain.py")
    warm(cache, "team:1", "team:2")
    done = database.server.run_tool(
        "psql", "-XAtq", "-v", "ON_ERROR_STOP=1",
        "-d", database.conninfo(user=database.roles[0]),
        input=read_blocks()[script])
    if script == "own_writes.sql":
        assert done.stdout == "t\n"
    else:
        connection = database.connect()
        run(connection, "CALL pgripple.wait_applied(%s::xid8, '10 s')",
            done.stdout.strip())
    assert cache.keys("team:*") == ["team:2"]
