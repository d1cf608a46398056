"""The judge of the fault tests: it must see what is stale, and nothing else."""

from harness.flow import wait_quiet
from harness.wait import wait_until


def test_nothing_is_stale_while_nothing_is_broken(make_world, redis_server,
                                                  cache):
    world = make_world(redis_server)
    with world.at_work():
        world.wait_for_work(n=100)
    world.check(least=50)
    assert sum(reader.n_hits for reader in world.readers) > 0


def test_without_the_daemon_the_judge_finds_stale_values(
        make_world, redis_server, cache):
    world = make_world(redis_server)
    with world.at_work():
        world.wait_for_work()
        world.daemon.kill()
        world.fill()
        world.wait_for_writes()
    assert world.stale()
    # What is stale is not so for ever: the changes wait in the outbox.
    world.daemon.start()
    world.check()


def test_plain_rules_are_judged_by_what_fill_has_cached(
        make_world, redis_server, cache):
    world = make_world(redis_server, fenced=False)
    with world.at_work():
        world.wait_for_work()
        world.fill()
        world.wait_for_writes()
    wait_quiet(world.database, 60)
    world.check(least=20)
    world.database.execute("UPDATE app_team SET name = name || '!'")
    wait_until(lambda: not world.stale(), 30, "nothing stale")
