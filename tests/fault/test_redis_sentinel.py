"""Redis behind Sentinel: the master changes, sentinels are away, behind the
times, or of another opinion."""

import pytest

from harness.daemon import run_cli
from harness.process import free_port
from harness.sentinel import MASTER, Sentinel
from harness.wait import wait_until

pytestmark = pytest.mark.once

SETTINGS = {"redis": {"sentinel_interval": "200ms"}}


@pytest.fixture
def make_sentinel():
    """make_sentinel(watched server, lines..., quorum=1): started."""
    made = []

    def make(*args, **options):
        made.append(Sentinel(*args, **options))
        return made[-1].start()

    yield make
    for sentinel in made:
        print(f"---- sentinel {sentinel.port}\n"
              f"{sentinel.log_text()[-3000:]}")
        sentinel.remove()


def replica_of(make_redis, master):
    """A replica that has come as far as its master."""
    replica = make_redis(replicaof=f"127.0.0.1 {master.port}",
                         repl_diskless_sync_delay=0)
    with replica.client() as client:
        wait_until(lambda: client.info("replication")["master_link_status"]
                   == "up", 30, "replication")
    return replica


def url(*ports, more=""):
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"redis+sentinel://{hosts}/{MASTER}/0{more}"


def wait_up(world, server, mark):
    world.daemon.wait_for_event(
        "redis.up", 60, after=mark, address=f"127.0.0.1:{server.port}")


def test_follows_a_failover_while_the_application_writes(
        make_world, make_redis, make_sentinel):
    """The master is killed; the first sentinel of the URL is, too. What the
    promoted replica lacks is another matter: its cache is filled anew."""
    master = make_redis()
    replica = replica_of(make_redis, master)
    sentinels = [make_sentinel(master, quorum=2) for _ in range(3)]
    wait_until(lambda: all(
        one.client().sentinel_master(MASTER)["num-other-sentinels"] == 2
        and one.client().sentinel_master(MASTER)["num-slaves"] == 1
        for one in sentinels), 60, "sentinels that know each other")
    world = make_world(master, settings=SETTINGS, fenced=False,
                       redis_url=url(*(one.port for one in sentinels)))
    with world.at_work():
        wait_up(world, master, 0)
        world.wait_for_work()
        mark = world.daemon.mark()
        sentinels[0].kill()
        master.kill()
        world.redis_server = replica
        wait_up(world, replica, mark)
        world.wait_for_work()
        world.fill()
        world.wait_for_work()
    world.check(least=10)
    assert not world.daemon.events("redis.up", after=mark,
                                   address=f"127.0.0.1:{master.port}")


def test_believes_sentinels_only_as_far_as_they_are_right(
        make_world, make_redis, make_sentinel):
    """The first one names a replica, the second one is not there; all want a
    password. When the right one changes its mind the daemon leaves a master
    that is as good as ever."""
    master, other = make_redis(), make_redis()
    replica = replica_of(make_redis, master)
    liar = make_sentinel(replica, "requirepass secret", quorum=5)
    honest = make_sentinel(master, "requirepass secret")
    with honest.client() as client:
        assert client.sentinel_get_master_addr_by_name(MASTER)
    world = make_world(
        master, settings=SETTINGS, fenced=False,
        redis_url=url(liar.port, free_port(), honest.port,
                      more="?sentinel_password=secret"))
    with world.at_work():
        world.wait_for_work()
        wait_up(world, master, 0)
        done = run_cli("check", "-c", world.config.path)
        assert done.status == 0, done
        mark = world.daemon.mark()
        liar.kill()
        honest.watch(other)
        world.redis_server = other
        down = world.daemon.wait_for_event("redis.down", 30, after=mark)
        assert "the sentinels name another master" in down["error"]
        wait_up(world, other, mark)
        world.wait_for_work()
        world.fill()
        world.wait_for_work()
    world.check(least=10)
    assert "secret" not in world.daemon.tail()


def test_goes_on_with_its_master_when_all_sentinels_are_gone(
        make_world, make_redis, make_sentinel):
    master = make_redis()
    sentinel = make_sentinel(master)
    world = make_world(master, settings=SETTINGS,
                       redis_url=url(sentinel.port))
    with world.at_work():
        world.wait_for_work()
        sentinel.pause()
        line = world.daemon.wait_for_event("redis.sentinels_silent", 60)
        assert f"127.0.0.1:{sentinel.port}" in line["error"]
        world.wait_for_work()
        assert not world.daemon.events("redis.down")
        # Without it no other connection is made.
        with world.client() as client:
            client.client_kill_filter(_type="normal")
        world.daemon.wait_for_event("redis.down", 30)
        world.wait_for_writes()
        sentinel.resume()
        world.wait_for_work()
    world.check()
