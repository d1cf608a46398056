"""Redis, or what stands between, answers what nobody asked, or nothing that
makes sense: that is noticed, and no change counts as applied by mistake."""

import json
from contextlib import contextmanager

import pytest

from harness.daemon import is_sanitized
from harness.proxy import REPLIES, REQUESTS, proxy_to_redis
from harness.wait import wait_until

IMPATIENT = {"redis": {"command_timeout": "500ms", "connect_timeout": "1s"}}


@pytest.fixture
def world(make_world, make_redis):
    redis_server = make_redis()
    proxy = proxy_to_redis(redis_server, unix=True)
    made = make_world(redis_server, settings=IMPATIENT,
                      redis_url=f"unix://{proxy.path}")
    made.proxy = proxy
    yield made
    proxy.close()


@contextmanager
def noticed(world):
    """In here a fault happens: the connection is dropped (why it says depends
    on what was under way), another takes its place, and the same daemon works
    on."""
    mark = world.daemon.mark()
    yield
    world.daemon.wait_for_event("redis.down", 15, after=mark)
    world.proxy.pass_all()
    world.daemon.wait_for_event("redis.up", 30, after=mark)
    world.wait_for_work(5)
    assert world.daemon.is_running()


def test_replies_that_are_lost_or_come_twice(world):
    """The reply to a command that was executed, and those behind it belong to
    other commands from then on."""
    with world.at_work():
        world.wait_for_work()
        for k in (1, 3):
            with noticed(world):
                world.proxy.drop_reply(k)
        for k in (1, 3):
            with noticed(world):
                world.proxy.duplicate_reply(k)
    world.check()


@pytest.mark.parametrize("reply", [b":1\r\n", b"+OK\r\n", b"*1\r\n$1\r\nx\r\n"])
def test_replies_nobody_asked_for(world, reply):
    with world.at_work():
        world.wait_for_work()
        with noticed(world):
            world.proxy.inject(reply)
    world.check()


def test_garbage(world):
    with world.at_work():
        world.wait_for_work()
        for fault in [lambda: world.proxy.inject(b"\x00\xff<html>\r\n" * 100),
                      lambda: world.proxy.corrupt(REPLIES),
                      lambda: world.proxy.inject(b"*1\r\n" * 50),
                      lambda: world.proxy.inject(b">2\r\n$1\r\nx\r\n:1\r\n"),
                      lambda: world.proxy.inject(b":12x\r\n")]:
            with noticed(world):
                fault()
        with noticed(world):
            world.proxy.corrupt(REQUESTS)
    world.check()


def test_a_reply_without_end_does_not_fill_the_memory(world):
    with world.at_work():
        world.wait_for_work()
        before = world.daemon.peak_kb()
        for header in (b"$104857600\r\n", b"*100000000\r\n"):
            with noticed(world):
                world.proxy.inject(header)
                for _ in range(100):
                    world.proxy.inject(b"x" * 1000000)
        if not is_sanitized():
            assert world.daemon.peak_kb() < before + 40 * 1024
    world.check()


def test_a_redis_that_takes_no_more_clients(world):
    with world.at_work():
        world.wait_for_work()
        mark = world.daemon.mark()
        with world.client() as client:
            client.config_set("maxclients", 1)
            world.proxy.cut()
            wait_until(lambda: any(
                "max number of clients" in json.dumps(event)
                for event in world.daemon.events("redis.down", after=mark)),
                15, "the refusal in the log")
            world.wait_for_writes(5)
            client.config_set("maxclients", 1000)
        world.daemon.wait_for_event("redis.up", 30, after=mark)
        world.wait_for_work(5)
    world.check()
