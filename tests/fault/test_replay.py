"""A Redis that goes back in time: what was invalidated reappears, and must not
stay. Writers write all the while, and every key is compared with the database.

A value is stale for as long as Redis needs to come back and the daemon to look;
so the test of each way back is what is stale when all is quiet. That Redis went
back, and had stale values, is seen by the daemon's own word for it.
"""

import os
import shutil

import pytest

from harness.flow import wait_quiet
from harness.wait import wait_until

QUICK = {"redis": {"look_interval": "200ms"}}


def wait_for_repeat(world, mark, timeout=30):
    """Until the daemon has seen that Redis went back, and repeats."""
    return world.daemon.wait_for_event("redis.went_back", timeout, after=mark)


def go_back(world, server, back):
    """Work; keep a state; work on; let Redis return to the state that was kept.

    back is called twice: to keep the state, and to return to it. Returns the
    place in the daemon's log before the return.
    """
    with world.at_work():
        world.wait_for_work()
        world.fill()
        back.keep(server)
        world.wait_for_work()
        mark = world.daemon.mark()
        back.go(server)
        world.wait_for_work()
    return mark


class SlowSave:
    """A save that takes long: the snapshot is of its beginning."""

    def keep(self, server):
        with server.client() as client:
            client.config_set("rdb-key-save-delay", 3000)
            client.bgsave()

    def go(self, server):
        with server.client() as client:
            wait_until(lambda: client.info("persistence")[
                "rdb_bgsave_in_progress"] == 0, 30, "the end of the save")
        server.kill()
        server.start()


def test_a_snapshot_that_took_long(make_world, make_redis):
    server = make_redis()
    world = make_world(server, settings=QUICK)
    mark = go_back(world, server, SlowSave())
    world.check()
    assert wait_for_repeat(world, mark)["remembered"] > 1
    assert not world.daemon.events("redis.whole_models")
