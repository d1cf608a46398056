"""A Redis that goes back in time: what was invalidated reappears, and must not
stay. Writers write all the while, and in the end every key is compared with the
database.
"""

import glob
import os
import shutil

import pytest

from harness.http import Web
from harness.process import make_folder
from harness.wait import wait_until

LOOK = {"redis": {"look_interval": "300ms"}}


def times_back(world, target="default"):
    """How often what was repeated, as the daemon's metrics have it."""
    web = Web(world.daemon.config)
    return {what: web.metric(
        f'pgripple_redis_went_back_total{{target="{target}",'
        f'repeated="{what}"}}') for what in ("operations", "models")}


def wait_for_tasks(world):
    """Until those that are there now are done."""
    last = world.database.value(
        "SELECT coalesce(max(id), 0) FROM pgripple.task")
    wait_until(lambda: world.database.value(
        "SELECT NOT EXISTS (SELECT FROM pgripple.task WHERE id <= %s)",
        last), 60, "whole models")


def mark_keys(client):
    return list(client.scan_iter("pgripple:mark:*"))


class SlowSave:
    """A save takes long: the snapshot is of its beginning."""

    settings = {}

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


class CopiedBack:
    """Somebody puts the snapshot of the day before in its place."""

    settings = {}

    def keep(self, server):
        self.dump = os.path.join(server.folder, "dump.rdb")
        with server.client() as client:
            client.save()
        shutil.copy(self.dump, self.dump + ".old")

    def go(self, server):
        server.kill()
        shutil.copy(self.dump + ".old", self.dump)
        server.start()


class CutOff:
    """The end of the append-only file had not reached the disk."""

    settings = {"appendonly": "yes", "appendfsync": "everysec",
                "auto_aof_rewrite_percentage": "0"}

    def keep(self, server):
        self.file, = glob.glob(os.path.join(
            server.folder, "**/*.incr.aof"), recursive=True)
        self.size = os.path.getsize(self.file)

    def go(self, server):
        server.kill()
        assert os.path.getsize(self.file) > self.size
        os.truncate(self.file, self.size)
        server.start()


@pytest.mark.parametrize("way", [SlowSave, CopiedBack, CutOff])
def test_a_server_that_starts_with_an_older_state(make_world, make_redis, way):
    server = make_redis(**way.settings)
    back = way()
    world = make_world(server, settings=LOOK)
    with world.at_work():
        world.wait_for_work()
        world.fill()
        back.keep(server)
        world.wait_for_work()
        mark = world.daemon.mark()
        back.go(server)
        world.wait_for_work()
    world.check()
    event = world.daemon.wait_for_event("redis.went_back", after=mark)
    assert event["tasks"] > 0
    assert not world.daemon.events("redis.whole_models")
    assert times_back(world) == {"operations": 1, "models": 0}


class Replica:
    """A replica of a server, until it is detached."""

    def __init__(self, make_redis, master):
        self.server = make_redis(repl_diskless_sync_delay=0)
        self.client = self.server.client()
        self.follow(self.client, master)

    @staticmethod
    def follow(client, master):
        client.replicaof("127.0.0.1", master.port)
        wait_until(lambda: client.info("replication").get(
            "master_link_status") == "up", 30, "the replica to follow")

    def detach(self):
        """It stays what it is: its master cannot be reached any more."""
        self.client.replicaof("127.0.0.1", 1)

    def promote(self):
        self.client.replicaof("NO", "ONE")


def test_a_replica_that_lagged_is_promoted(make_world, make_redis):
    master = make_redis(repl_diskless_sync_delay=0)
    folder = make_folder("pgripple-way-")
    way = os.path.join(folder, "redis.sock")
    os.symlink(master.socket, way)
    world = make_world(master, redis_url=f"unix://{way}", settings=LOOK)
    with world.at_work():
        world.wait_for_work()
        replica = Replica(make_redis, master)
        world.fill()
        with master.client() as client:
            client.wait(1, 5000)
        replica.detach()
        world.wait_for_work()
        mark = world.daemon.mark()
        replica.promote()
        os.unlink(way)
        os.symlink(replica.server.socket, way)
        world.redis_server = replica.server
        master.kill()
        world.wait_for_work()
    world.check()
    shutil.rmtree(folder)
    world.daemon.wait_for_event("redis.went_back", after=mark)


def test_a_master_that_was_a_replica_for_a_moment(make_world, make_redis):
    """Its connections stay open, and nothing that was sent was refused."""
    master = make_redis()
    world = make_world(master, settings={"redis": {"look_interval": "5s"}})
    with world.at_work():
        world.wait_for_work()
        other = Replica(make_redis, master)
        world.fill()
        with master.client() as client:
            client.wait(1, 5000)
        other.detach()
        other.promote()
        # So that team 1 is among what the other one lacks, whether a writer
        # has deleted it or not.
        world.database.execute(
            "INSERT INTO app_team (id, name) VALUES (1, 'of now')"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name")
        world.wait_for_work()
    world.check()
    other.client.set("team:1", "of long ago")
    mark = world.daemon.mark()
    with master.client() as client:
        Replica.follow(client, other.server)
        client.replicaof("NO", "ONE")
        assert client.get("team:1") == "of long ago"
    event = world.daemon.wait_for_event("redis.down", 20, after=mark)
    assert "promoted" in event["error"]
    world.daemon.wait_for_event("redis.went_back", after=mark)
    wait_until(lambda: not world.stale(), 20, "nothing stale")


def test_the_daemon_is_started_again_as_well(make_world, make_redis):
    """Nobody remembers: every model is invalidated as a whole."""
    server = make_redis()
    back = CopiedBack()
    world = make_world(server, settings=LOOK)
    with world.at_work():
        world.wait_for_work()
        world.fill()
        back.keep(server)
        world.wait_for_work()
        world.daemon.kill()
        back.go(server)
        mark = world.daemon.mark()
        world.daemon.start()
        event = world.daemon.wait_for_event("redis.whole_models", after=mark)
        world.wait_for_applied()    # so its tasks are there, if not done
        wait_for_tasks(world)
        world.wait_for_work()       # some of what is cached now stays
    world.check()
    assert event["reason"] == "its mark is not known"
    assert times_back(world) == {"operations": 0, "models": 1}
    # A mark that is known again: the next start costs nothing.
    mark = world.daemon.mark()
    world.daemon.stop()
    world.daemon.start()
    assert not world.daemon.events("redis.whole_models", after=mark)
    assert times_back(world) == {"operations": 0, "models": 0}


def keep_all(world, backs):
    world.wait_for_work()
    world.fill()
    for target, back in backs.items():
        back.keep(world.server_of(target))
    world.wait_for_work()


@pytest.mark.parametrize("gone", [["default", "second"], ["second"]])
def test_of_two_targets(make_world, make_redis, gone):
    """Each is told apart, whether the other one goes back as well or not."""
    world = make_world(make_redis(), second=make_redis(), settings=LOOK)
    backs = {target: CopiedBack() for target in gone}
    with world.at_work():
        keep_all(world, backs)
        mark = world.daemon.mark()
        for target, back in backs.items():
            back.go(world.server_of(target))
        world.wait_for_work()
    world.check()
    for target in world.targets:
        assert world.cached_in(target)
        assert times_back(world, target) == {
            "operations": int(target in gone), "models": 0}
    assert sorted(event["target"] for event in world.daemon.events(
        "redis.went_back", after=mark)) == sorted(gone)


def test_two_targets_and_the_daemon(make_world, make_redis):
    """Nobody remembers: the models of both are invalidated as a whole."""
    world = make_world(make_redis(), second=make_redis(), settings=LOOK)
    backs = {target: CopiedBack() for target in world.targets}
    with world.at_work():
        keep_all(world, backs)
        world.daemon.kill()
        for target, back in backs.items():
            back.go(world.server_of(target))
        world.daemon.start()
        for target in world.targets:
            wait_until(lambda: times_back(world, target)["models"] == 1, 30,
                       f"whole models of {target}")
        wait_for_tasks(world)
        world.wait_for_work()       # some of what is cached now stays
    world.check()
    for target in world.targets:
        assert world.cached_in(target)
        assert times_back(world, target) == {"operations": 0, "models": 1}


def test_a_full_redis_takes_no_mark(make_world, make_redis):
    """It lets keys go, which goes on, and then it starts with an older state."""
    server = make_redis()
    back = CopiedBack()
    world = make_world(server, settings=LOOK)
    with world.at_work():
        world.wait_for_work()
        world.fill()
        back.keep(server)
        with server.client() as client:
            client.config_set("maxmemory", 1)
        world.daemon.wait_for_event("redis.mark_refused", 30)
        world.wait_for_writes()
        world.wait_for_applied(world.daemon.mark())
        mark = world.daemon.mark()
        back.go(server)
        world.wait_for_work()
    world.check()
    world.daemon.wait_for_event("redis.went_back", after=mark)


def test_what_takes_nothing_back_costs_nothing(make_world, make_redis):
    """The mark is evicted; all is flushed; a new server is empty, until the
    daemon has seen it."""
    server = make_redis()
    world = make_world(server, settings=LOOK)
    with world.at_work():
        world.wait_for_work()
        with server.client() as client:
            client.delete(*mark_keys(client))
            world.wait_for_work()
            client.flushall()
            world.wait_for_work()
            assert len(mark_keys(client)) == 1
    world.check()
    server.kill()               # and it has saved nothing
    mark = world.daemon.mark()
    server.start()
    world.daemon.wait_for_event("redis.up", after=mark)
    with world.at_work():
        world.wait_for_work()
    world.check()
    with server.client() as client:
        text, = client.mget(mark_keys(client))
        client.delete(*mark_keys(client))       # nobody writes now
        wait_until(lambda: client.mget(mark_keys(client)) == [text], 10,
                   "the mark to be set again")
    world.daemon.wait_for_event("redis.mark_gone")
    assert not world.daemon.events("redis.went_back")
    assert not world.daemon.events("redis.whole_models")
