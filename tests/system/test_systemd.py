"""The daemon as a service: the journal, and what it tells its manager."""

import json
import re

import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet
from harness.systemd import Journal, beside_journal


@pytest.fixture
def config(tournament, redis_server, cache, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    return made


def rename(tournament, name, n=1):
    for number in range(n):
        tournament.execute("UPDATE app_team SET name = %s WHERE id = 1",
                           (f"{name} {number}",))


def test_the_journal_has_fields_and_is_never_waited_for(
        tournament, config, make_daemon, cli, tmp_path):
    journal = Journal(tmp_path)
    daemon = make_daemon(config, wait=False, wrapper=beside_journal(tmp_path))
    ready = journal.wait_for("daemon.ready")
    assert (ready["PRIORITY"], ready["SYSLOG_IDENTIFIER"]) == ("6", "pgripple")
    assert ready["PGRIPPLE_MODELS"] == "2"
    assert journal.wait_for("batch.state")["PRIORITY"] == "7"
    rename(tournament, "a\nb")
    entry = journal.wait_for("change.applied")
    line = json.loads(entry["MESSAGE"])
    assert line["event"] == "change.applied"
    assert json.loads(entry["PGRIPPLE_FIRST_KEYS"]) == line["first_keys"]
    assert json.loads(entry["PGRIPPLE_MODELS"]) == line["models"]
    assert entry["PGRIPPLE_XID"] == str(line["xid"])
    shown = cli("tail", "-", "--key", "team:1", stdin=entry["MESSAGE"] + "\n")
    assert re.search(r"update public\.app_team: team .*team:1 ", shown.stdout)

    # A journald that is stopped: its socket fills up, and nobody waits.
    rename(tournament, "unread", 300)
    wait_quiet(tournament)
    mark = len(journal.read())
    rename(tournament, "read again")
    dropped = next(entry for entry in
                   [journal.wait_for("change.applied", mark)] + journal.read()
                   if "PGRIPPLE_DROPPED" in entry)
    assert int(dropped["PGRIPPLE_DROPPED"]) > 0
    assert (json.loads(dropped["MESSAGE"])["dropped"]
            == int(dropped["PGRIPPLE_DROPPED"]))
    assert daemon.events() == []

    journal.close()
    rename(tournament, "gone")
    daemon.wait_for_event("change.applied")
    again = Journal(tmp_path)
    rename(tournament, "there again")
    again.wait_for("change.applied")
    daemon.stop()
