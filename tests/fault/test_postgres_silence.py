"""A Postgres that is there and says nothing, or says no."""

import os
import time

import psycopg2
import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet, warm
from harness.postgres import Database, run
from harness.proxy import REPLIES, REQUESTS, proxy_to_postgres
from harness.roles import DAEMON
from harness.wait import wait_until
from network import Network

pytestmark = pytest.mark.once

# By default a peer that is dead is noticed so soon.
NOTICED_S = 15


def make_tournament(server, redis_server, make_config, **conninfo):
    """A database of the server, and a configuration with the defaults."""
    database = Database(server, "postgres")
    database.run_file("tests/system/tournament.sql")
    config = make_config(server.conninfo(), redis_server.url, TEAM_GRAPH,
                         {"postgres": {"notify": "adaptive"}})
    install(config)
    if conninfo:
        config.write_settings({"postgres": {"conninfo": server.conninfo(
            user=DAEMON, **conninfo)}})
    return database, config


def change_one(database, cache):
    warm(cache, "team:1")
    database.execute("UPDATE app_team SET current_points ="
                     " current_points + 1 WHERE id = 1")
    wait_quiet(database, 30)
    assert not cache.exists("team:1")


def seconds_until_noticed(daemon, since_s, after):
    for session in ("listen", "work"):
        daemon.wait_for_event("postgres.down", after=after, session=session,
                              timeout=2 * NOTICED_S)
    return time.monotonic() - since_s


def test_a_frozen_server_is_noticed(make_postgres, redis_server, cache,
                                    make_config, make_daemon):
    server = make_postgres()
    database, config = make_tournament(server, redis_server, make_config)
    daemon = make_daemon(config)
    change_one(database, cache)
    mark, since_s = daemon.mark(), time.monotonic()
    server.pause()
    seconds = seconds_until_noticed(daemon, since_s, mark)
    server.resume()
    print(f"a frozen server was noticed after {seconds:.1f} s")
    assert seconds < NOTICED_S
    change_one(database, cache)


def test_a_frozen_server_is_noticed_within_a_statement(
        make_postgres, redis_server, cache, make_config, make_daemon):
    """Both sessions wait for an answer: no heartbeat can be sent."""
    server = make_postgres()
    database, config = make_tournament(server, redis_server, make_config)
    blocking = database.connect(autocommit=False)
    run(blocking, "LOCK TABLE pgripple.state IN ACCESS EXCLUSIVE MODE")
    daemon = make_daemon(config, wait=False)
    wait_until(lambda: database.value(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"),
        what="the listen session to wait")
    daemon.wait_for_event("postgres.up", session="work")
    mark, since_s = daemon.mark(), time.monotonic()
    server.pause()
    try:
        seconds = seconds_until_noticed(daemon, since_s, mark)
    finally:
        server.resume()
    blocking.rollback()
    assert seconds < NOTICED_S
    daemon.wait_for_event("daemon.ready")
    change_one(database, cache)


@pytest.fixture
def network():
    made = Network()
    yield made
    made.remove()


@pytest.mark.parametrize("lost", ["everything", "answers"])
def test_a_network_that_swallows_packets_is_noticed(
        network, lost, make_postgres, redis_server, cache, make_config,
        make_daemon, monkeypatch):
    server = make_postgres(start=False, listen_addresses=network.server)
    with open(os.path.join(server.data, "pg_hba.conf"), "a") as rules:
        rules.write(f"host all all {network.daemon}/32 trust\n")
    server.start()
    database, config = make_tournament(server, redis_server, make_config,
                                       host=network.server)
    monkeypatch.setenv("PGRIPPLE_WRAPPER", network.prefix)
    daemon = make_daemon(config)
    change_one(database, cache)
    addresses = [network.daemon]
    if lost == "everything":
        addresses.append(network.server)
    mark, since_s = daemon.mark(), time.monotonic()
    network.swallow(*addresses)
    warm(cache, "team:2")
    database.execute("UPDATE app_team SET name = 'x' WHERE id = 2")
    seconds = seconds_until_noticed(daemon, since_s, mark)
    print(f"silence ({lost} lost) was noticed after {seconds:.1f} s")
    assert seconds < NOTICED_S
    network.heal(*addresses)
    wait_quiet(database, 60)
    assert not cache.exists("team:2")


@pytest.fixture
def proxy(tournament):
    made = proxy_to_postgres(tournament.server)
    yield made
    made.close()


def through(proxy, tournament, redis_server, make_config, **postgres):
    """A configuration with the defaults, whose daemon goes by the proxy."""
    config = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH,
                         {"postgres": {"notify": "adaptive"}})
    install(config)
    config.write_settings({"postgres": {"conninfo": tournament.conninfo(
        user=DAEMON, host="127.0.0.1", port=proxy.port), **postgres}})
    return config


@pytest.mark.parametrize("direction", [REQUESTS, REPLIES])
@pytest.mark.parametrize("question", ["fetch_changes(", "acknowledge("])
def test_a_lost_statement_is_noticed(tournament, proxy, redis_server, cache,
                                     make_config, make_daemon, question,
                                     direction):
    """What stands in between has confirmed the bytes, and lost them; only of
    this connection."""
    daemon = make_daemon(through(proxy, tournament, redis_server, make_config))
    change_one(tournament, cache)
    mark, since_s = daemon.mark(), time.monotonic()
    proxy.lose(question.encode(), direction)
    warm(cache, "team:2")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 2")
    down = daemon.wait_for_event("postgres.down", after=mark, session="work",
                                 timeout=3 * NOTICED_S)
    seconds = time.monotonic() - since_s
    print(f"a lost statement was noticed after {seconds:.1f} s")
    assert seconds < NOTICED_S, down
    wait_quiet(tournament, 30)
    assert not cache.exists("team:2")
    # After an acknowledgement the state is claimed anew.
    n_claimed_anew = len(daemon.events("postgres.down", session="listen"))
    assert n_claimed_anew == (question == "acknowledge(")


def sessions_of_work(database):
    return set(database.value(
        "SELECT array_agg(pid) FROM pg_stat_activity"
        " WHERE application_name = 'pgripple work'"
        " AND datname = current_database()"))


def test_a_late_acknowledgement_is_refused(tournament, proxy, redis_server,
                                           cache, make_config, make_daemon):
    """Else the number would go back to the batch of it, and a Redis that goes
    back to that batch would be believed."""
    daemon = make_daemon(through(proxy, tournament, redis_server, make_config))
    change_one(tournament, cache)
    old = sessions_of_work(tournament)
    mark = daemon.mark()
    proxy.hold(b"acknowledge(")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 2")
    daemon.wait_for_event("postgres.down", after=mark, session="work",
                          timeout=3 * NOTICED_S)
    wait_quiet(tournament, 30)
    change_one(tournament, cache)
    number = tournament.value("SELECT number FROM pgripple.progress")
    assert old < sessions_of_work(tournament)
    proxy.let_go()
    wait_until(lambda: not old & sessions_of_work(tournament), 30,
               "the late acknowledgement to be carried out")
    assert tournament.value("SELECT number FROM pgripple.progress") == number
    change_one(tournament, cache)
    assert not daemon.events("redis.whole_models")


def test_a_long_statement_is_not_taken_for_a_lost_one(
        tournament, proxy, redis_server, cache, make_config, make_daemon):
    daemon = make_daemon(through(proxy, tournament, redis_server, make_config,
                                 heartbeat="1s"))
    change_one(tournament, cache)
    blocking = tournament.connect(autocommit=False)
    run(blocking, "LOCK TABLE pgripple.outbox IN ACCESS EXCLUSIVE MODE")
    wait_until(lambda: tournament.value(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"), 20,
        "the work session to wait")
    mark = daemon.mark()
    wait_until(lambda: len(daemon.events(
        "postgres.state", mark, session="listen", to="beating")) >= 6,
        what="heartbeats")
    blocking.rollback()
    change_one(tournament, cache)
    assert not daemon.events("postgres.down")


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH,
                       {"retry_max": "300ms",
                        "postgres": {"heartbeat": "1s"}})
    install(made)
    return made


def test_no_room_for_our_sessions(tournament, config, cache, make_daemon):
    daemon = make_daemon(config)
    try:
        tournament.execute(f"ALTER ROLE {DAEMON} CONNECTION LIMIT 0")
        mark = daemon.mark()
        tournament.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'pgripple%'"
            " AND datname = current_database()")
        wait_until(lambda: any("too many connections" in event["error"]
                               for event in daemon.events(
                                   "postgres.down", after=mark)),
                   20, "a refusal")
        warm(cache, "team:2")
        tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 2")
    finally:
        tournament.execute(f"ALTER ROLE {DAEMON} CONNECTION LIMIT 20")
    wait_quiet(tournament, 30)
    assert not cache.exists("team:2")


class Crowd:
    """Sessions of others, as many as the server takes."""

    def __init__(self, server, role):
        self.server = server
        self.role = role
        self.sessions = []

    def push_out(self, database, daemon, after=0):
        """Until the daemon is refused; its sessions, if any, are ended."""
        def is_refused():
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'pgripple%'")
            self.fill()
            return any("connection slots" in event["error"] for event in
                       daemon.events("postgres.down", after=after))
        wait_until(is_refused, 20, "a refusal")

    def fill(self):
        try:
            while True:
                self.sessions.append(self.server.connect(user=self.role))
        except psycopg2.OperationalError:
            pass

    def leave(self):
        for session in self.sessions:
            session.close()
        self.sessions.clear()


def test_no_room_for_anybody(make_postgres, redis_server, cache, make_config,
                             make_daemon):
    """When the daemon starts, and when it comes back."""
    server = make_postgres(fsync="off", max_connections=10)
    database, config = make_tournament(server, redis_server, make_config)
    config.write_settings({"retry_max": "300ms"})
    crowd = Crowd(server, database.create_role())
    crowd.fill()
    daemon = make_daemon(config, wait=False)
    mark = 0
    for _ in range(2):
        crowd.push_out(database, daemon, mark)
        warm(cache, "team:2")
        database.execute("UPDATE app_team SET name = name || 'x'"
                         " WHERE id = 2")
        assert database.changes() and cache.exists("team:2")
        crowd.leave()
        wait_quiet(database)
        assert not cache.exists("team:2")
        mark = daemon.mark()


def test_what_a_dba_sets_for_the_role(tournament, config, cache, make_daemon):
    """Timeouts and defaults that would end an idle listener, or make it deaf
    or unable to acknowledge."""
    settings = {"idle_session_timeout": "300ms", "lock_timeout": "1ms",
                "idle_in_transaction_session_timeout": "100ms",
                "statement_timeout": "1s", "TimeZone": "'Asia/Kathmandu'",
                "default_transaction_read_only": "on",
                "default_transaction_isolation": "'serializable'",
                "search_path": "public", "bytea_output": "'escape'"}
    try:
        for name, value in settings.items():
            tournament.execute(f'ALTER ROLE {DAEMON} SET "{name}" = {value}'
                               if name == "TimeZone" else
                               f"ALTER ROLE {DAEMON} SET {name} = '"
                               + value.strip("'") + "'")
        daemon = make_daemon(config)
        for session in ("listen", "work"):
            wait_until(lambda: len(daemon.events(
                "postgres.state", session=session, to="beating")) >= 2,
                30, "two heartbeats")
        change_one(tournament, cache)
        assert not daemon.events("postgres.down")
    finally:
        tournament.execute(f"ALTER ROLE {DAEMON} RESET ALL")


def test_a_schema_of_another_version_is_left_alone(tournament, config, cache,
                                                   make_daemon):
    """As when it is upgraded while an old daemon runs."""
    daemon = make_daemon(config)
    version = tournament.value("SELECT pgripple.schema_version()")

    def become(number):
        tournament.execute(
            "CREATE OR REPLACE FUNCTION pgripple.schema_version() RETURNS"
            f" integer LANGUAGE sql IMMUTABLE AS 'SELECT {number}';"
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'pgripple work'"
            " AND datname = current_database()")

    for other in (version + 1, version - 1):
        mark = daemon.mark()
        become(other)
        line = daemon.wait_for_event("catalog.version", after=mark)
        assert (line["version"], line["wanted"]) == (other, version)
        warm(cache, "team:1")
        tournament.execute("UPDATE app_team SET name = name || 'x'"
                           " WHERE id = 1")
        daemon.wait_for_event("catalog.version", after=daemon.mark())
        assert tournament.changes() and cache.exists("team:1")
        become(version)
        wait_quiet(tournament, 30)
        assert not cache.exists("team:1")
