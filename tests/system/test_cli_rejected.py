"""pgripple rejected: what could not be understood is shown, retried, dropped."""

import json
import os
import subprocess

import pytest

from harness.daemon import binary, environment
from harness.wait import wait_until

GRAPH = """
    models:
      team:
        table: app_team
        invalidate: ["team:{id}"]
"""


@pytest.fixture
def config(tournament, redis_server, cache, make_config, cli):
    config = make_config(tournament.conninfo(), redis_server.url, GRAPH)
    done = cli("install", "-c", config.path)
    assert done.status == 0, done.stderr
    return config


@pytest.fixture
def rejected(config, tournament, make_daemon):
    """What the daemon made of a change that lost its table: it is rejected.
    The id, and the change as it should have been."""
    tournament.execute("UPDATE app_team SET name = 'new' WHERE id = 1")
    whole = tournament.value("SELECT change::text FROM pgripple.outbox")
    tournament.execute(
        "UPDATE pgripple.outbox SET change = (change::jsonb - 'table')::json")
    make_daemon(config)
    wait_until(lambda: tournament.changes() == [], what="an empty outbox")
    return tournament.value("SELECT id FROM pgripple.rejected"), whole


def test_a_change_that_was_mended_by_hand_is_applied(
        cli, config, rejected, tournament, cache):
    number, whole = rejected
    cache.set("team:1", "stale")
    cache.set("team:2", "fresh")
    done = cli("rejected", "list", "-c", config.path)
    assert done.status == 0, done.stderr
    _, line = done.stdout.splitlines()
    assert line.split()[0] == str(number)
    assert " update    -  " in line and "table" in line

    tournament.execute("UPDATE pgripple.rejected SET change = %s", whole)
    done = cli("rejected", "list", "-c", config.path)
    assert " update    public.app_team " in done.stdout
    done = cli("rejected", "retry", number, "-c", config.path)
    assert done.status == 0, done.stderr
    assert done.stdout == "1 change put back into the outbox\n"
    wait_until(lambda: cache.keys() == ["team:2"], what="the key to go")
    done = cli("rejected", "list", "-c", config.path)
    assert done.status == 0 and done.stdout == "no change was rejected\n"


def test_what_is_still_wrong_is_rejected_again(
        cli, config, rejected, tournament):
    number, _ = rejected
    assert cli("rejected", "retry", "-c", config.path).status == 0
    wait_until(lambda: tournament.value(
        "SELECT count(*) FROM pgripple.rejected WHERE id > %s",
        number) == 1, what="the change to be rejected again")


def put_aside(database, *changes):
    for number, change in enumerate(changes, 1):
        database.execute(
            "INSERT INTO pgripple.rejected (id, at, change, reason)"
            " VALUES (%s, now(), %s, %s)",
            number, change, "because\x1b[31m\nof this")


def test_the_list_copes_with_every_change(cli, config, tournament):
    put_aside(tournament, "[]", "7", None, '{"op": 7, "table": "\\u0000"}',
              json.dumps({"op": "insert", "table": "public.a\x1b[0m"}),
              json.dumps({"op": "insert", "table": "x" * 200000}))
    done = cli("rejected", "list", "-c", config.path)
    assert done.status == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["id", "rejected", "at", "(UTC)", "op", "table",
                            "reason"]
    assert [line.split()[0] for line in lines] == list("123456")
    assert all(line.endswith("because [31m of this") for line in lines)
    assert " insert    public.a [0m " in lines[4]
    assert "\x1b" not in done.stdout


def test_one_is_dropped_without_a_question_and_all_with_yes(
        cli, config, tournament):
    put_aside(tournament, "[]", "[]", "[]")
    done = cli("rejected", "drop", "2", "-c", config.path)
    assert done.status == 0 and done.stdout == "1 change dropped\n"
    done = cli("rejected", "drop", "-c", config.path)
    assert done.status == 64
    assert "nothing dropped: there is nobody to ask" in done.stderr
    assert tournament.value("SELECT count(*) FROM pgripple.rejected") == 2
    done = cli("rejected", "drop", "--yes", "-c", config.path)
    assert done.status == 0 and done.stdout == "2 changes dropped\n"


@pytest.mark.parametrize("answer, left", [("yes", 0), ("y", 2), ("no", 2)])
def test_dropping_all_is_asked_on_a_terminal(config, tournament, answer, left):
    put_aside(tournament, "[]", "[]")
    parent, child = os.openpty()
    process = subprocess.Popen(
        [binary(), "rejected", "drop", "-c", config.path], stdin=child,
        stdout=subprocess.PIPE, text=True, env=environment())
    os.write(parent, f"{answer}\n".encode())
    stdout, _ = process.communicate(timeout=60)
    os.close(parent)
    os.close(child)
    assert "Type yes to go on: " in stdout
    assert process.returncode == (0 if left == 0 else 1)
    assert tournament.value("SELECT count(*) FROM pgripple.rejected") == left


@pytest.mark.parametrize("deed", ["retry", "drop"])
def test_an_id_that_is_not_there_is_a_problem(cli, config, deed):
    done = cli("rejected", deed, "17", "-c", config.path)
    assert done.status == 1 and done.stdout == ""
    assert 'no rejected change has the id "17"' in done.stderr


@pytest.mark.parametrize("words, error", [
    ([], '"rejected" needs a word more: list, retry or drop'),
    (["lst"], 'unknown word "lst" after "rejected"'),
    (["list", "4"], 'unexpected word "4" after "list"'),
    (["drop", "-1x"], 'unknown option "-1x"'),
    (["drop", "4x"], '"4x" is not the id of a change'),
    (["drop", "99999999999999999999"],
     '"99999999999999999999" is not the id of a change'),
    (["drop", "4", "5"], 'unexpected word "5" after "4"'),
])
def test_a_mistake_is_told(cli, words, error):
    done = cli("rejected", *words)
    assert done.status == 64 and done.stdout == ""
    assert f"pgripple: error: {error}\n" in done.stderr


def test_before_install_it_says_what_to_run(cli, tournament, redis_server,
                                            make_config):
    config = make_config(tournament.conninfo(), redis_server.url, GRAPH)
    for words in (["list"], ["retry"], ["drop", "--yes"]):
        done = cli("rejected", *words, "-c", config.path)
        assert done.status == 1
        assert 'hint: Run "pgripple install".' in done.stderr
