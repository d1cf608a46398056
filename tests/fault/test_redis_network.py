"""The way to Redis is broken, while the application goes on writing: nothing is
lost, nothing is stale afterwards, nobody's write waits."""

import json
from contextlib import contextmanager

import pytest

from harness.daemon import is_sanitized
from harness.postgres import Database
from harness.proxy import REPLIES, REQUESTS, proxy_to_redis
from harness.wait import wait_until
from world import World

pytestmark = pytest.mark.once

NOTICED_S = 15
IMPATIENT = {"redis": {"command_timeout": "1s", "connect_timeout": "1s"}}


@pytest.fixture
def at_work(make_world, make_redis):
    """at_work(**settings): a world at work behind a proxy, which is added to
    it as .proxy."""
    proxies = []

    @contextmanager
    def make(settings=None, **options):
        redis_server = make_redis()
        proxies.append(proxy_to_redis(redis_server, **options))
        world = make_world(
            redis_server, settings=settings or IMPATIENT,
            redis_url=f"redis://127.0.0.1:{proxies[0].port}/0")
        world.proxy = proxies[0]
        with world.at_work():
            world.wait_for_work()
            yield world

    yield make
    for proxy in proxies:
        proxy.close()


def wait_noticed(world, mark, timeout=NOTICED_S):
    """Until the daemon says that Redis is away; returns what it says."""
    return json.dumps(world.daemon.wait_for_event(
        "redis.down", timeout, after=mark))


def test_silence_is_noticed(at_work):
    """Silence of all kinds, by the deadline of the oldest command, though the
    writers go on and new changes come."""
    with at_work() as world:
        server, proxy = world.redis_server, world.proxy
        for begin, end in [
                (server.pause, server.resume),
                (proxy.drop, proxy.pass_all),
                (lambda: proxy.drop(REPLIES), proxy.pass_all),
                (lambda: proxy.drop(REQUESTS), proxy.pass_all),
                (lambda: proxy.stall(REQUESTS), proxy.pass_all)]:
            mark = world.daemon.mark()
            begin()
            assert "was silent for 1000 ms" in wait_noticed(world, mark)
            world.wait_for_writes(5)
            end()
            # What was dropped on a connection is missing from it for ever.
            world.daemon.wait_for_event("redis.up", 30, after=mark)
            world.wait_for_work(5)
        assert world.daemon.is_running()
    world.check()


def test_a_half_closed_connection_is_replaced(at_work):
    with at_work() as world:
        for direction in (REPLIES, REQUESTS):
            mark = world.daemon.mark()
            world.proxy.half_close(direction)
            wait_noticed(world, mark)
            world.wait_for_work(5)
    world.check()


def test_resets_and_cuts_within_a_command(at_work):
    with at_work() as world:
        for fault in [world.proxy.cut,
                      lambda: world.proxy.cut_mid_frame(REQUESTS),
                      lambda: world.proxy.cut_mid_frame(REPLIES),
                      world.proxy.swallow] * 3:
            mark = world.daemon.mark()
            fault()
            wait_noticed(world, mark)
            world.proxy.pass_all()
            world.wait_for_work(5)
    world.check()


def test_single_bytes_make_no_difference(at_work):
    with at_work() as world:
        mark = world.daemon.mark()
        world.proxy.split()
        world.wait_for_work(20)
        assert not world.daemon.events("redis.down", after=mark)
    world.check()


def test_a_slow_redis_costs_no_memory_and_postgres_is_read(at_work):
    """Replies take up to a second, then they trickle: the changes wait in the
    outbox, and notifications are taken from the server all the while."""
    with at_work({"redis": {"command_timeout": "10s"},
                  "limits": {"batch_rows": 20}}) as world:
        before = world.daemon.rss_kb()
        mark = world.daemon.mark()
        world.proxy.delay_ms = 1000
        world.wait_for_writes(50)
        world.proxy.throttle(2000, REPLIES)
        channel = world.database.value(
            "SELECT 'pgripple_' || 'pgripple'::regnamespace::oid")
        for _ in range(20):
            world.database.execute(
                "SELECT pg_notify(%s, n || repeat('x', 7000))"
                " FROM generate_series(1, 200) AS n", channel)
        wait_until(lambda: world.database.value(
            "SELECT pg_notification_queue_usage()") == 0, 30,
            "notifications to be read")
        world.wait_for_writes(20)
        assert world.database.value(
            "SELECT count(*) FROM pgripple.outbox") > 0, "Redis is not slow"
        assert not world.daemon.events("redis.down", after=mark)
        if not is_sanitized():
            assert world.daemon.rss_kb() < before + 8192
        world.proxy.delay_ms = 0
        world.proxy.pass_all()
        world.wait_for_work(5)
    world.check()


def test_a_flapping_network_lets_work_through_and_is_not_stormed(at_work):
    """Whenever the network is there something is applied; a connection that did
    not last does not reset the pause between attempts."""
    with at_work() as world:
        first = world.proxy.n_connections
        for _ in range(8):
            mark = world.daemon.mark()
            world.proxy.refuse()
            world.proxy.cut()
            wait_noticed(world, mark)
            world.wait_for_writes(5)
            world.proxy.accept()
            world.daemon.wait_for_event("redis.up", 30, after=mark)
            world.wait_for_applied()
        assert world.proxy.n_connections - first <= 3 * 8
    world.check()


def test_both_servers_are_away_at_once(make_world, make_postgres, make_redis,
                                       make_config, make_daemon):
    """Written before, not applied; both come back, Redis last."""
    postgres, redis_server = make_postgres(), make_redis()
    database = Database(postgres, "postgres")
    world = World(database, redis_server, make_config, make_daemon,
                  settings=IMPATIENT, reconnect=True)
    try:
        with world.at_work():
            world.wait_for_work()
            redis_server.pause()
            world.wait_for_writes(20)
            mark = world.daemon.mark()
            postgres.kill()
            world.daemon.wait_for_event("postgres.down", 30, after=mark)
            world.daemon.wait_for_event("redis.down", 30, after=mark)
            postgres.start()
            world.wait_for_writes(20)
            redis_server.resume()
            world.wait_for_work(20)
        # After a crash of Postgres all models are touched as a whole: the last
        # of it may leave nothing, so there is a second round.
        world.check(least=0)
        with world.at_work():
            world.wait_for_work(20)
        world.check()
    finally:
        world.close()
