"""pgripple tail: the daemon's log, for people."""

import json
import os
import re
import subprocess

import pytest

from harness.daemon import binary, environment
from harness.wait import wait_until

CHANGE = {
    "ts": "2026-01-02T03:04:05.678901Z", "level": "info",
    "event": "change.applied", "table": "public.app_team", "op": "update",
    "rows": 1,
    "models": [{"model": "team", "path": "team", "rows": 1},
               {"model": "tournament", "path": "team>tournament",
                "relation": "of", "rows": 2}],
    "keys": 3, "patterns": 0,
    "first_keys": ["team:7", "tournament:1", "tournament:2"],
    "us": 2345, "xid": 4711, "id": 12}
TOLD = ("03:04:05.678 update public.app_team: team -> tournament (2 rows) | "
        "team:7 tournament:1 tournament:2 | 2.3 ms, xid 4711\n")
DAY = "-- 2026-01-02\n"


def line(**more):
    return json.dumps({**CHANGE, **more}) + "\n"


@pytest.fixture
def tail(cli):
    """tail(text, *options): what it prints of that log."""
    def run(text, *options):
        done = cli("tail", "-", *options, stdin=text, env={"TZ": "UTC"})
        assert done.status == 0, done.stderr
        return done.stdout
    return run


def test_what_the_daemon_says_can_be_read(
        tournament, redis_server, cache, make_config, make_daemon, cli):
    config = make_config(tournament.conninfo(), redis_server.url, """
        models:
          tournament:
            {table: app_tournament, invalidate: ["tournament:{id}"]}
          team: {table: app_team, invalidate: ["team:{id}"]}
        relations: [team.tournament_id -> tournament.id]
        """)
    assert cli("install", "-c", config.path).status == 0
    daemon = make_daemon(config)
    tournament.execute(
        "UPDATE app_team SET tournament_id = 2 WHERE id = "
        "(SELECT min(id) FROM app_team WHERE tournament_id = 1)")
    told = daemon.wait_for_event("change.applied")
    log = "".join(json.dumps(event) + "\n" for event in daemon.events())
    done = cli("tail", "-", "--key", "tournament:1", stdin=log)
    shown = done.stdout.splitlines()
    assert len(shown) == 2 and shown[0].startswith("-- ")
    assert re.fullmatch(
        r"[\d:.]{12} update public\.app_team: team -> tournament \(2 rows\) \| "
        rf"(?:\w+:\d+ ?){{3}} \| .*, xid {told['xid']}", shown[1])


def test_filters_by_model_table_and_key(tail):
    log = line() + line(table="shop.item", first_keys=["item:1"], keys=1,
                        models=[{"model": "item", "path": "item", "rows": 1}])
    assert tail(log, "--model", "tournament") == DAY + TOLD
    assert tail(log, "--table", "app_*") == DAY + TOLD
    assert tail(log, "--table", "public.app_team") == DAY + TOLD
    assert tail(log, "--key", "tournament:2") == DAY + TOLD
    assert tail(log, "--key", "tournament:3") == ""
    assert tail(log, "--key", "team:7", "--model", "item") == ""


def test_a_pattern_that_was_removed_answers_for_its_keys(tail):
    log = line(whole="truncate", keys=0, patterns=1, first_keys=["team:*"],
               models=[{"model": "team", "path": "team", "rows": 0,
                        "whole": True}])
    assert "(truncate): team (whole) | team:* |" in tail(log, "--key", "team:9")
    assert tail(log, "--key", "draft:9") == ""


@pytest.mark.parametrize("more", [
    {"keys": 400},
    {"first_keys": None},
    {"event": "changes.applied", "changes": 10},
])
def test_a_line_that_does_not_tell_all_may_be_the_one(tail, more):
    log = line(**more)
    assert tail(log, "--key", "other:1").endswith("(perhaps: not all is told)\n")
    assert "perhaps" not in tail(log)


def test_nothing_gives_the_terminal_orders(tail):
    evil = "\x1b]0;x\x07\u009b31m"
    log = (line(first_keys=[evil], keys=1, op=evil, table=evil, whole=evil,
                models=[{"model": evil, "path": f"{evil}>{evil}"}],
                ts="2026-01-02T03:04:05.\x1b[1", xid=evil)
           + line(event="redis.down", level="warning", error=evil,
                  **{evil: evil}) + evil + "\n")
    shown = tail(log)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    assert "WARNING redis.down" in shown


def test_other_lines_pass_and_are_left_out_of_a_search(cli):
    text = "plain words\n{broken\n" + line()
    done = cli("tail", "-", stdin=text, env={"TZ": "UTC"})
    assert done.stdout == "plain words\n{broken\n" + DAY + TOLD
    done = cli("tail", "-", "--key", "team:7", stdin=text, env={"TZ": "UTC"})
    assert done.stdout == DAY + TOLD
    assert "log.format: json" in done.stderr


def test_it_follows_a_file_that_is_rotated_and_cut(tmp_path):
    path = tmp_path / "log"
    path.write_text(line(xid=1))
    shown = open(tmp_path / "shown", "w+")
    process = subprocess.Popen(
        [binary(), "tail", path], stdout=shown, env=environment(TZ="UTC"))

    def sees(*xids):
        def found():
            text = (tmp_path / "shown").read_text()
            return re.findall(r"xid (\d+)$", text, re.M) == list(map(str, xids))
        wait_until(found, what=f"changes {xids}")

    try:
        sees(1)
        with open(path, "a") as log:
            log.write(line(xid=2) + line(xid=3)[:30])
            log.flush()
            sees(1, 2)
            log.write(line(xid=3)[30:])
        sees(1, 2, 3)
        os.rename(path, tmp_path / "log.1")
        path.write_text(line(xid=4) + line(xid=5))
        sees(1, 2, 3, 4, 5)
        path.write_text(line(xid=6))
        sees(1, 2, 3, 4, 5, 6)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_it_reads_a_journal(cli, tmp_path):
    entries = "".join(
        f"__REALTIME_TIMESTAMP={1767323045000000 + n}\n"
        f"__MONOTONIC_TIMESTAMP={n}\n_BOOT_ID={'0' * 31}1\n"
        f"_SYSTEMD_UNIT={unit}.service\nMESSAGE={line(xid=n)}\n"
        for n, unit in enumerate(["pgripple", "other"] + ["pgripple"] * 11))
    subprocess.run(
        ["/lib/systemd/systemd-journal-remote", "-o",
         tmp_path / "remote.journal", "-"],
        input=entries, text=True, check=True, capture_output=True)

    def xids(*options):
        done = cli("tail", tmp_path, "--no-follow", *options)
        assert done.status == 0, done.stderr
        return [int(n) for n in re.findall(r"xid (\d+)$", done.stdout, re.M)]

    assert xids() == [*range(3, 13)]
    assert xids("--key", "team:7") == [0, *range(2, 13)]
    assert xids("--unit", "other") == [1]


def test_what_cannot_be_read_is_said(cli):
    done = cli("tail", "/no/such/file")
    assert (done.status, done.stderr) == (
        1, 'pgripple: error: cannot read "/no/such/file": '
        "No such file or directory\n")


def test_a_reader_that_has_seen_enough_is_no_error():
    done = subprocess.run(
        f"yes '{line().strip()}' | {binary()} tail - | head -2", shell=True,
        env=environment(TZ="UTC"), capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == (DAY + TOLD, "")
