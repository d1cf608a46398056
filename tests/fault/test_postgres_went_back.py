"""A Postgres that has lost commits: what readers cached of them is wrong for
ever, for no change tells."""

import os
import shutil
import signal

import psycopg2.extensions
import pytest

from harness.daemon import merge
from harness.flow import wait_quiet
from harness.postgres import Database
from harness.roles import DAEMON
from harness.wait import wait_until
from replication import Standby, base_backup, restore
from world import World

pytestmark = pytest.mark.once

# Nothing is flushed for ten seconds after a commit.
LOSES_COMMITS = {"fsync": "off", "synchronous_commit": "off",
                 "wal_writer_delay": "10s", "bgwriter_lru_maxpages": 0}
KEEPS_COMMITS = {"fsync": "off", "full_page_writes": "off"}


@pytest.fixture
def make_world_on(redis_server, cache, make_config, make_daemon):
    """make_world_on(server, **options): a World on a server of its own."""
    made = []

    def make(server, settings=None, **options):
        world = World(Database(server, "postgres"), redis_server, make_config,
                      make_daemon, reconnect=True, settings=merge(
                          {"postgres": {"heartbeat": "1s"}}, settings or {}),
                      **options)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()


def conninfo(*servers):
    """Of the daemon, to all of them."""
    return psycopg2.extensions.make_dsn(
        host=",".join(server.folder for server in servers),
        port=",".join(str(server.port) for server in servers),
        user=DAEMON, dbname="postgres")


def write_the_future(world):
    """A commit that is about to be lost, applied and cached again. No writer
    is at work now."""
    world.database.execute("UPDATE app_team SET name = 'future' WHERE id = 1")
    wait_quiet(world.database)
    world.fill_held()
    assert "future" in world.client().get("team:1")


def start_and_be_known(world):
    """Until the daemon has noted which server this is."""
    world.start()
    wait_until(lambda: world.database.value(
        "SELECT EXISTS (SELECT FROM pgripple.server)"), 30, "a look")
    wait_quiet(world.database)


def hold_wal_writer(world):
    """Nothing is flushed any more; a second may be one of its ten else."""
    os.kill(world.database.value(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"),
        signal.SIGSTOP)


def is_lost(world):
    return world.database.value(
        "SELECT name <> 'future' FROM app_team WHERE id = 1")


def verdict(world, after):
    return world.daemon.wait_for_event(
        "postgres.went_back", after=after, timeout=30)["verdict"]


def test_a_crash_loses_commits(make_postgres, make_world_on):
    server = make_postgres(**LOSES_COMMITS)
    world = make_world_on(server)
    with world.at_work():
        world.wait_for_work()
        with world.application.held():
            hold_wal_writer(world)
            write_the_future(world)
            mark = world.daemon.mark()
            server.kill()
            server.start()
            assert is_lost(world)
        assert verdict(world, mark) == "crash"
        world.wait_for_work()
    world.check(least=0)


def test_a_crash_is_noticed_by_a_daemon_that_was_not_there(
        make_postgres, make_world_on):
    """And the price of ignoring it."""
    server = make_postgres(**LOSES_COMMITS)
    world = make_world_on(server, fenced=False,
                          settings={"postgres": {"on_crash": "ignore"}})
    start_and_be_known(world)
    world.daemon.stop()
    server.restart()        # what was written so far is kept
    hold_wal_writer(world)
    # No daemon has ever seen this commit.
    world.database.execute("UPDATE app_team SET name = 'future' WHERE id = 1;"
                           "UPDATE app_tournament SET name = 'Cup'")
    world.fill()
    server.kill()
    server.start()
    assert is_lost(world)
    world.daemon.start()
    assert verdict(world, 0) == "crash"
    wait_quiet(world.database)
    assert "team:1" in world.stale()
    # Back to where it was asked for the last time.
    world.daemon.kill()
    world.config.write_settings({"postgres": {"on_crash": "spread"}})
    server.kill()
    server.start()
    mark = world.daemon.mark()
    world.daemon.start()
    assert verdict(world, mark) == "crash"
    wait_until(lambda: not world.stale(), 30, "nothing stale")


@pytest.fixture
def pair(make_postgres):
    """A primary and its standby."""
    primary = make_postgres(**KEEPS_COMMITS)
    standby = Standby(primary, **KEEPS_COMMITS)
    yield primary, standby.start()
    standby.remove()


def test_a_failover_loses_commits(pair, make_world_on):
    primary, standby = pair
    world = make_world_on(primary, conninfo=conninfo(primary, standby))
    standby.wait_until_caught_up()
    with world.at_work():
        world.wait_for_work()
        standby.stop()
        with world.application.held():
            write_the_future(world)
        world.wait_for_work()
        mark = world.daemon.mark()
        primary.kill()
        standby.start()
        standby.promote()
        world.database.server = standby
        assert is_lost(world)
        assert verdict(world, mark) == "timeline"
        world.wait_for_work()
    world.check(least=0)


def test_a_switchover_that_loses_nothing_may_be_ignored(pair, make_world_on):
    primary, standby = pair
    world = make_world_on(
        primary, conninfo=conninfo(standby, primary),   # wrong order
        settings={"postgres": {"on_new_timeline": "ignore"}})
    with world.at_work():
        world.wait_for_work()
        mark = world.daemon.mark()
        with world.application.held():
            wait_quiet(world.database)
            world.fill_held()
            n_cached = len(world.cached())
            primary.stop()
            standby.promote()
            world.database.server = standby
            assert verdict(world, mark) == "timeline"
            event, = world.daemon.events("postgres.went_back", after=mark)
            assert event["next"].startswith("nothing")
            world.daemon.wait_for_event("daemon.ready", after=mark)
            assert len(world.cached()) == n_cached
            assert not world.database.value(
                "SELECT count(*) FROM pgripple.task")
        world.wait_for_work()
    world.check()


@pytest.mark.parametrize("how, expected", [("in place", "crash"),
                                           ("in time", "timeline"),
                                           ("dump", "system")])
def test_a_restored_backup_lacks_commits(make_postgres, make_world_on, how,
                                         expected):
    server = make_postgres(**KEEPS_COMMITS)
    world = make_world_on(server)
    start_and_be_known(world)
    backup = os.path.join(server.folder, "backup")
    if how == "dump":
        dump = server.run_tool("pg_dumpall", "-d", server.conninfo()).stdout
    else:
        base_backup(server, backup)
    write_the_future(world)
    server.stop()
    mark = world.daemon.mark()
    if how == "dump":
        shutil.rmtree(server.data)
        server.init()
    else:
        restore(server, backup)
    if how == "in time":
        server.settings["restore_command"] = "false"
        server.write_settings()
        open(os.path.join(server.data, "recovery.signal"), "w").close()
    server.start()
    if how == "dump":
        server.run_tool("psql", "-X", "-q", "-d", server.conninfo(),
                        input=dump)
    assert is_lost(world)
    assert verdict(world, mark) == expected
    with world.at_work():
        world.wait_for_work()
    world.check(least=0)
