"""What may stop the daemon for good or lose a change: rows that only a hand
can have written, and peers that are exchanged at the worst moment."""

import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet, warm


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    return made


@pytest.mark.parametrize("change", [
    # The pong would be too long for NOTIFY.
    '{"op":"ping","key":"%s"}' % ("k" * 9000),
    # The reason, which quotes it, is cut in the middle of a character.
    '{"op":"update","table":"%s"}' % ("\N{SNOWMAN}" * 400),
    '{"op":"update","table":"a%s"}' % ("\N{SNOWMAN}" * 400),
    '{"op":"update","table":"aa%s"}' % ("\N{SNOWMAN}" * 400),
    '{"op":"update","table":"a\\u0000b"}',
], ids=["ping", "cut-0", "cut-1", "cut-2", "nul"])
def test_no_row_blocks_those_behind_it(tournament, config, cache, make_daemon,
                                       change):
    tournament.execute(
        "INSERT INTO pgripple.outbox (bytes, change) VALUES (10, %s)", change)
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    warm(cache, "team:1")
    make_daemon(config)
    wait_quiet(tournament)
    assert not cache.exists("team:1")
    assert tournament.value(
        "SELECT reason FROM pgripple.rejected WHERE id = 1")


@pytest.mark.parametrize("at", ["infinity", "-infinity", "294276-12-31"])
def test_no_time_blocks_the_outbox(tournament, config, cache, make_daemon,
                                   at):
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    tournament.execute("UPDATE pgripple.outbox SET at = %s", at)
    warm(cache, "team:1")
    make_daemon(config)
    wait_quiet(tournament)
    assert not cache.exists("team:1")
