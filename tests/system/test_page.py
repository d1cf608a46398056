"""The status page, in a browser: changes appear, and nothing that is in them
does anything."""

import shutil

import pytest

from harness.browser import Browser
from harness.flow import install
from harness.http import Web
from harness.process import free_port
from harness.wait import wait_until

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("chromium") is None,
                       reason="chromium is not installed"),
]

EVIL = "<img src=x onerror=\"document.title='evil'\">"
GRAPH = """\
    models:
      team:
        table: app_team
        invalidate: ["team:{name}"]
      tournament:
        table: app_tournament
        invalidate: ["tournament:{id}"]
      evil:
        table: 'public."<img src=x onerror=''document.title=1''>"'
        invalidate: ["<b>{id}</b>"]
    relations:
      - team.tournament_id -> tournament.id
    """


@pytest.fixture
def browser():
    made = Browser()
    yield made
    made.close()


@pytest.fixture
def config(tournament, redis_server, make_config):
    tournament.execute('CREATE TABLE "<img src=x onerror=\'document.title=1\'>"'
                       " (id integer PRIMARY KEY)")
    made = make_config(tournament.conninfo(), redis_server.url, GRAPH,
                       {"http": {"listen": f"127.0.0.1:{free_port()}",
                                 "look_interval": "100ms"}})
    install(made)
    return made


def text_of(browser, element):
    return browser.run(f"document.getElementById('{element}')?.textContent"
                       " ?? ''")


def test_a_change_appears_and_does_nothing(
        tournament, config, cache, make_daemon, browser):
    daemon = make_daemon(config)
    browser.open(f"http://{config.settings['http']['listen']}/")
    wait_until(lambda: text_of(browser, "state") == "live", 30, "the page")
    wait_until(lambda: browser.run(
        "document.querySelectorAll('#graph [data-model]').length") == 3, 10,
        "the graph")
    tournament.execute("UPDATE app_team SET name = %s, tournament_id = 2"
                       " WHERE id = 1", EVIL)
    tournament.execute('INSERT INTO "<img src=x onerror=\'document.title=1\'>"'
                       " VALUES (7)")
    tournament.execute("INSERT INTO pgripple.outbox (xid, change, bytes)"
                       " VALUES ('9', '{}', 2)")
    wait_until(lambda: "<b>7</b>" in text_of(browser, "changes"), 10,
               "the changes")
    wait_until(lambda: "change.rejected" in text_of(browser, "notes"), 10,
               "the rejected one")
    changes = text_of(browser, "changes")
    assert EVIL in changes and "team \u203a tournament" in changes
    assert "onerror='document.title=1'" in changes
    # The edge has counted it, and so have the boxes.
    wait_until(lambda: browser.run(
        "document.querySelector('#graph [data-relation] > .count')"
        "?.textContent") == "2", 10, "the edge to count")
    assert browser.run("document.querySelectorAll('main img, main b.evil,"
                       " main script').length") == 0
    assert browser.run("document.title") == "pgripple"
    wait_until(lambda: text_of(browser, "rejected") == "1 rejected", 10,
               "the number of rejected ones")
    # It notices that the daemon is gone, and finds the next one.
    daemon.stop()
    wait_until(lambda: text_of(browser, "state") == "not reachable", 10,
               "the page to notice")
    browser.faults.clear()
    make_daemon(config)
    wait_until(lambda: text_of(browser, "state") == "live", 20, "another one")
    assert text_of(browser, "changes") == ""
    assert browser.faults == []


def test_streams_have_bounds(config, make_daemon, tournament):
    config.write_settings({"http": {
        "listen": f"unix://{config.folder}/http", "streams": 2,
        "stream_bytes": "64kB"}})
    make_daemon(config)
    web = Web(config)
    ask = b"GET /events HTTP/1.1\r\n\r\n"
    lazy = [web.connect(), web.connect()]
    try:
        for sock in lazy:
            sock.sendall(ask)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert web.ask(ask).startswith(b"HTTP/1.1 503 ")

        def dropped():
            tournament.execute(
                "DO $$BEGIN FOR n IN 1..100 LOOP UPDATE app_team"
                " SET name = repeat('x', 80) || n; END LOOP; END$$")
            return web.metric('pgripple_limit_hits_total'
                              '{setting="http.stream_bytes"}') == 2
        # What the kernel buffers for them comes first.
        wait_until(dropped, 60, "those who do not read to be dropped")
        assert web.get("/healthz")[0] == 200
    finally:
        for sock in lazy:
            sock.close()
