"""The adaptive doorbell on real servers: it wakes whoever sleeps, nobody
waits for the sweep, and nobody pays for NOTIFY while the daemon is awake."""

import os
import random
import threading
import time

import pytest

from harness.daemon import is_sanitized
from harness.flow import TEAM_GRAPH, install, wait_quiet, warm
from harness.postgres import Database, run
from harness.proxy import proxy_to_postgres
from harness.wait import wait_until

NO_SWEEP = {"postgres": {"notify": "adaptive", "poll_interval": "1h"}}


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH,
                       NO_SWEEP)
    install(made)
    return made


def is_asleep(database):
    """Somebody holds K, exclusively."""
    return database.value(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
        " AND classid = pgripple.lock_class()::oid AND objid = 1"
        " AND mode = 'ExclusiveLock' AND granted AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database()))")


def wait_asleep(database):
    wait_until(lambda: is_asleep(database), 30, "the daemon to sleep")


def keep_awake(database):
    """A transaction that wrote while the daemon was awake, and stays open: it
    shares K, so that the daemon cannot sleep. Returns its connection."""
    holder = database.connect(autocommit=False)
    waiting = threading.Thread(target=run, args=(
        holder, "SELECT pg_advisory_xact_lock_shared("
        "pgripple.lock_class(), 1)"))
    waiting.start()
    wait_until(lambda: database.value(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
        " AND pid = %s)", holder.info.backend_pid), 30, "the wish for K")
    database.execute("UPDATE app_team SET name = 'wake' WHERE id = 4")
    waiting.join()
    run(holder, "UPDATE app_team SET name = 'held' WHERE id = 5")
    wait_until(lambda: not is_asleep(database), 30, "the daemon to wake")
    return holder


class Ears:
    """Counts the notifications of the doorbell."""

    def __init__(self, database):
        self.connection = database.connect()
        run(self.connection, 'LISTEN "{}"'.format(
            database.value("SELECT pgripple.channel()")))

    def count(self):
        run(self.connection, "SELECT")
        n = len(self.connection.notifies)
        self.connection.notifies.clear()
        return n


def test_a_sleeper_is_woken(tournament, config, cache, make_daemon):
    make_daemon(config)
    ears = Ears(tournament)
    for _ in range(20):
        wait_asleep(tournament)
        warm(cache, "team:1")
        tournament.execute("UPDATE app_team SET current_points ="
                           " current_points + 1 WHERE id = 1")
        wait_until(lambda: not cache.exists("team:1"), 30, "team:1 to go")
    # Now and then it is still awake from the change before.
    assert ears.count() >= 10


def test_nobody_rings_while_it_is_awake(tournament, config, cache,
                                        make_daemon):
    config.write_settings({"log": {"level": "warning"}})
    make_daemon(config, wait=False)
    wait_asleep(tournament)
    holder = keep_awake(tournament)
    ears = Ears(tournament)
    for _ in range(100):
        tournament.execute("UPDATE app_team SET current_points ="
                           " current_points + 1 WHERE id = 1")
    assert ears.count() == 0
    holder.commit()
    wait_quiet(tournament)


def test_nobody_rings_where_there_is_no_daemon(tournament, config):
    ears = Ears(tournament)
    tournament.execute("UPDATE app_team SET name = 'x'")
    assert ears.count() == 0
    assert tournament.changes()


@pytest.mark.timing
def test_a_writer_that_stays_open_delays_nobody(tournament, config, cache,
                                                make_daemon):
    config.write_settings({"log": {"level": "warning"}})
    daemon = make_daemon(config, wait=False)
    wait_asleep(tournament)
    holder = keep_awake(tournament)
    started_s, cpu_s = time.monotonic(), daemon.cpu_seconds()
    delays_ms = []
    while time.monotonic() < started_s + 4:
        warm(cache, "team:1")
        tournament.execute("UPDATE app_team SET current_points ="
                           " current_points + 1 WHERE id = 1")
        committed_s = time.monotonic()
        while cache.exists("team:1"):
            assert time.monotonic() < committed_s + 5
        delays_ms.append((time.monotonic() - committed_s) * 1000)
        wait_until(lambda: not tournament.changes(), 30, "it to be acked")
    share = (daemon.cpu_seconds() - cpu_s) / (time.monotonic() - started_s)
    holder.rollback()
    # Somebody else's work on this machine can spoil one part, not all.
    third = len(delays_ms) // 3
    best_p99 = min(sorted(delays_ms[n * third:(n + 1) * third])
                   [int(third * 0.99)] for n in range(3))
    delays_ms.sort()
    p50, p90, p99 = (delays_ms[int(len(delays_ms) * q)]
                     for q in (0.5, 0.9, 0.99))
    print(f"with a writer open: p50 {p50:.1f} ms, p90 {p90:.1f} ms,"
          f" p99 {p99:.1f} ms of {len(delays_ms)}, {share:.1%} CPU")
    assert (p90 < 25 and best_p99 < 25) or is_sanitized()


@pytest.mark.timing
def test_an_open_writer_costs_an_idle_daemon_little(tournament, config,
                                                    make_daemon):
    config.write_settings({"log": {"level": "warning"}})
    daemon = make_daemon(config, wait=False)
    wait_asleep(tournament)
    holder = keep_awake(tournament)
    started_s, cpu_s = time.monotonic(), daemon.cpu_seconds()
    wait_until(lambda: time.monotonic() > started_s + 5, 6, "5 s to pass")
    share = (daemon.cpu_seconds() - cpu_s) / (time.monotonic() - started_s)
    holder.rollback()
    print(f"kept awake by an open writer: {share:.1%} CPU")
    assert share < (0.05 if is_sanitized() else 0.02)


def test_waiting_for_company_gets_on_with_tasks(tournament, config, cache,
                                                make_daemon):
    """Tasks take turns on the same session, also while the daemon waits for
    company: no fetch may begin then, though it has just rung."""
    config.write_settings({"postgres": {"notify": "always"}})
    install(config)
    daemon = make_daemon(config)
    stop_s = time.monotonic() + 4

    def write(number):
        connection = tournament.connect()
        while time.monotonic() < stop_s and daemon.is_running():
            run(connection, "UPDATE app_team SET current_points ="
                f" current_points + 1 WHERE id = {number}")
            time.sleep(0.001 * number)

    writers = [threading.Thread(target=write, args=(n,)) for n in (1, 2)]
    for writer in writers:
        writer.start()
    while time.monotonic() < stop_s and daemon.is_running():
        tournament.execute(
            "SELECT pgripple.write_mark('public.app_team', 'test')")
    for writer in writers:
        writer.join()
    assert daemon.is_running()
    wait_quiet(tournament)
    daemon.wait_for_event("doorbell.state", to="gathering")
    daemon.wait_for_event("task.done")


def test_no_row_waits_for_the_sweep(tournament, config, redis_server,
                                    postgres, make_daemon, make_config):
    """Random delays between all steps of both sides; the sweep is off. A row
    that lies there longer than its steps can take was slept over."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    proxy = proxy_to_postgres(postgres, delay_ms=3, seed=seed)
    slow = make_config(
        tournament.conninfo(host="127.0.0.1", port=proxy.port,
                            sslmode="disable"),
        redis_server.url, TEAM_GRAPH, {**NO_SWEEP, "log": {"level": "info"}})
    install(slow)
    make_daemon(slow)
    seconds = int(os.environ.get("PGRIPPLE_DOORBELL_SECONDS", 25))
    stop_s = time.monotonic() + seconds
    rounds = [0, 0]
    worst = [0.0, 0.0]
    failed = []

    def write(number):
        rng = random.Random(seed + number)
        connection = tournament.connect(autocommit=False)
        while time.monotonic() < stop_s and not failed:
            time.sleep(rng.random() * 0.03)
            run(connection, "UPDATE app_team SET current_points ="
                f" current_points + 1 WHERE id = {number + 1}")
            if rng.random() < 0.3:
                run(connection, "SAVEPOINT s")
                run(connection, "UPDATE app_team SET name = name || 'x'"
                    f" WHERE id = {number + 3}")
                run(connection, "ROLLBACK TO SAVEPOINT s")
            time.sleep(rng.random() * 0.003)
            if rng.random() < 0.2:
                connection.rollback()
                continue
            row = run(connection, "SELECT max(id) FROM pgripple.outbox"
                      " WHERE xid = pg_current_xact_id()")[0][0]
            connection.commit()
            committed_s = time.monotonic()
            while run(connection, "SELECT EXISTS (SELECT FROM pgripple.outbox"
                      f" WHERE id = {row})")[0][0]:
                connection.rollback()
                if time.monotonic() > committed_s + 2:
                    failed.append((number, row))
                    break
                time.sleep(0.002)
            connection.rollback()
            worst[number] = max(worst[number],
                                time.monotonic() - committed_s)
            rounds[number] += 1
        connection.close()

    writers = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    proxy.close()
    print(f"{sum(rounds)} rounds, the longest wait {max(worst):.3f} s")
    assert not failed, f"slept over: {failed} after {rounds}"
    assert sum(rounds) > 200


def test_prepared_transactions_are_delivered_by_polling(
        make_postgres, redis_server, cache, make_config, make_daemon):
    server = make_postgres(max_prepared_transactions=5)
    database = Database(server, "postgres")
    database.run_file("tests/system/tournament.sql")
    for mode in ("never", "adaptive"):
        config = make_config(
            server.conninfo(), redis_server.url, TEAM_GRAPH,
            {"postgres": {"notify": mode, "poll_interval": "200ms"}})
        install(config)
        daemon = make_daemon(config)
        wait_quiet(database)
        warm(cache, "team:1")
        database.execute(
            "BEGIN; UPDATE app_team SET current_points = current_points + 1"
            " WHERE id = 1; PREPARE TRANSACTION 'two phases'")
        database.execute("COMMIT PREPARED 'two phases'")
        wait_quiet(database)
        assert not cache.exists("team:1")
        daemon.stop()


@pytest.mark.timing
def test_fetches_stay_fast_under_a_snapshot_that_is_held_open(
        tournament, config, cache, make_daemon):
    """Dead rows cannot be vacuumed; without the low-water mark each fetch
    walks over all of them."""
    config.write_settings({"log": {"level": "warning"}})
    make_daemon(config, wait=False)
    holder = tournament.connect(autocommit=False)
    run(holder, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    run(holder, "SELECT count(*) FROM app_team")
    n_rounds = 3 if is_sanitized() else 10
    seconds = []
    for _ in range(n_rounds):
        tournament.execute("""
            INSERT INTO pgripple.outbox (bytes, change)
            SELECT 100, json_build_object('table', 'public.app_team', 'op',
                'insert', 'new', json_build_array(json_build_object(
                    'id', n, 'tournament_id', 1)))
            FROM generate_series(1, 50000) AS n""")
        started_s = time.monotonic()
        tournament.execute("SELECT pgripple.ring()")
        wait_until(lambda: not tournament.value(
            "SELECT EXISTS (SELECT FROM pgripple.outbox)"), 120, "the drain")
        seconds.append(time.monotonic() - started_s)
    holder.rollback()
    print("50,000 changes each:", " ".join(f"{s:.2f}" for s in seconds))
    if not is_sanitized():
        assert sorted(seconds[-3:])[1] < 1.3 * sorted(seconds[:3])[1] + 0.2
