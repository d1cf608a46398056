"""Several targets: two databases of one Redis and another Redis, with prefixes;
what becomes of a target that is down, and of all the others meanwhile."""

import time

import pytest
from harness.flow import install, wait_quiet, warm
from harness.wait import wait_until

SCHEMA = """
    CREATE TABLE item (id integer PRIMARY KEY, shop integer);
    INSERT INTO item SELECT n, n % 10 FROM generate_series(1, 1000) AS n;
"""

GRAPH = """
    models:
      item:
        table: item
        invalidate:
          - "item:{id}"
          - { key: "item:{id}", target: other }
          - { key: "item:{id}", target: far }
"""


class World:
    """A daemon with a target in each place, and clients of all three."""

    def __init__(self, database, daemon, near, far):
        self.database = database
        self.daemon = daemon
        self.near_server = near
        self.near = near.client()                   # "default"
        self.other = near.client(db=3)
        self.far_server = far
        self.far = far.client()

    def warm(self, *ids):
        for client, prefix in self.places():
            warm(client, *(f"{prefix}item:{number}" for number in ids))

    def warm_near(self, *ids):
        for client, prefix in self.places()[:2]:
            warm(client, *(f"{prefix}item:{number}" for number in ids))

    def places(self):
        return [(self.near, ""), (self.other, "o*[:"), (self.far, "f:")]

    def touch(self, *ids):
        self.database.execute(
            "UPDATE item SET shop = shop + 1 WHERE id = ANY(%s)", list(ids))

    def wait_gone(self, client, prefix, *ids, timeout=30):
        keys = [f"{prefix}item:{number}" for number in ids]
        wait_until(lambda: client.exists(*keys) == 0, timeout,
                   f"{keys[:5]} to be gone")


@pytest.fixture
def start(database, make_redis, make_config, make_daemon):
    """start(graph=GRAPH, limits={}, patience="400ms", **redis): a World."""
    def at_work(graph=GRAPH, limits=None, patience="400ms", start=True,
                **more):
        database.execute(SCHEMA)
        near, far = make_redis(), make_redis()
        config = make_config(database.conninfo(), near.url, graph, {
            "retry_max": "200ms",
            "limits": limits or {},
            "redis": {
                "target_patience": patience,
                "targets": {
                    "other": {"url": f"unix://{near.socket}?db=3",
                              "prefix": "o*[:"},
                    "far": {"url": far.url, "prefix": "f:"},
                }, **more}})
        install(config)
        return World(database, make_daemon(config, start=start), near, far)
    return at_work


def test_each_rule_goes_to_its_target(start):
    world = start()
    ready = world.daemon.wait_for_event("daemon.ready")
    assert list(ready["redis"]) == ["default", "other", "far"]
    world.warm(1, 2)
    for client in (world.near, world.other, world.far):
        warm(client, "foreign", "x:item:1")
    world.touch(1)
    wait_quiet(world.database)
    for client, prefix in world.places():
        assert sorted(client.keys()) == sorted(
            ["foreign", "x:item:1", f"{prefix}item:2"])


def test_the_prefix_of_everything(start):
    world = start(graph="""
        models:
          item:
            table: item
            invalidate:
              - { key: "item:{id}", target: other }
              - { hash: "shop:{shop}", field: "{id}", target: other }
              - { tag: "tag:{id}", target: other }
              - { version: "v:{id}", target: other }
              - { fence: "page:{id}", target: other }
              - { publish: "items", message: "{id}", target: other }
              - { stream: "changes", fields: [id], target: other }
        """, limits={"tag_members": 2})
    other = world.other
    ears = other.pubsub(ignore_subscribe_messages=True)
    ears.subscribe("o*[:items")
    warm(other, "o*[:item:1", "item:1", "o*[:page:1", "a", "b", "c")
    other.hset("o*[:shop:1", mapping={"1": 1, "11": 1})
    other.sadd("o*[:tag:1", "a", "b", "c")          # members are whole keys
    other.set("o*[:v:1", 5)
    world.touch(1)
    wait_quiet(world.database)
    assert sorted(other.keys()) == [
        "item:1", "o*[:changes", "o*[:fence:page:1", "o*[:shop:1",
        "o*[:v:1"]
    assert other.hkeys("o*[:shop:1") == ["11"]
    assert other.get("o*[:v:1") == "6"
    assert [entry for _, entry in other.xrange("o*[:changes")] == [
        {"model": "item", "id": "1"}]
    wait_until(lambda: (ears.get_message() or {}).get("data") == "1",
               what="the message")
    warm(other, "o*[:item:5", "oxx:item:5", "item:5")
    world.database.execute("TRUNCATE item")
    wait_quiet(world.database)
    assert other.exists("o*[:item:5") == 0
    assert other.exists("oxx:item:5", "item:5") == 2


def test_the_prefix_of_the_only_target(database, redis_server, cache,
                                       make_config, make_daemon, cli):
    database.execute(SCHEMA)
    config = make_config(
        database.conninfo(), redis_server.url,
        "models: { item: { table: item, invalidate: ['item:{id}'],"
        " whole_model: ['item:*'] } }",
        {"redis": {"prefix": "app?:"}})
    install(config)
    make_daemon(config)
    warm(cache, "app?:item:1", "app?:item:2", "item:1", "appx:item:3")
    database.execute("UPDATE item SET shop = 0 WHERE id = 1")
    wait_quiet(database)
    assert sorted(cache.keys()) == ["app?:item:2", "appx:item:3", "item:1"]
    done = cli("ping", "-c", config.path)
    assert done.status == 0, done.stderr
    database.execute("TRUNCATE item")
    wait_quiet(database)
    assert sorted(cache.keys()) == ["appx:item:3", "item:1"]


def test_within_its_patience_all_wait_for_a_target(start):
    world = start(patience="1h")
    world.warm(1)
    world.far_server.kill()
    world.daemon.wait_for_event("redis.down", target="far")
    mark = world.daemon.mark()
    world.touch(1)
    world.far_server.start()
    world.daemon.wait_for_event("daemon.ready", after=mark)
    wait_quiet(world.database)
    assert world.near.exists("item:1") == 0
    assert not world.daemon.events("target.postponed")


@pytest.mark.timing
def test_past_its_patience_the_others_go_on(start):
    world = start()
    world.warm(*range(1, 101))
    # What is not saved would be gone by itself.
    world.far.save()
    world.far_server.kill()
    postponed = world.daemon.wait_for_event("target.postponed", target="far")
    assert postponed["ms"] >= 400
    ready = world.daemon.wait_for_event("daemon.ready", postponed=["far"])
    assert ready["redis"]["far"] == postponed["redis"]
    slowest = 0
    for number in range(1, 101):
        begun = time.monotonic()
        world.touch(number)
        world.wait_gone(world.near, "", number)
        world.wait_gone(world.other, "o*[:", number)
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 1, slowest
    wait_until(lambda: not world.database.changes(), what="an empty outbox")
    assert world.database.value(
        "SELECT count(*) FROM pgripple.task"
        " WHERE operation ->> 'target' = 'far'") == 100
    assert world.database.value("SELECT count(*) FROM pgripple.task") == 100
    assert world.daemon.wait_for_event("change.applied")["postponed"] == ["far"]
    assert not world.database.value(
        "SELECT pgripple.applied(xmin::text::xid8) FROM item WHERE id = 1")
    world.far_server.start()
    world.daemon.wait_for_event("target.resumed", target="far")
    wait_quiet(world.database)
    assert world.far.keys() == []


def test_tasks_of_other_targets_do_not_wait(start):
    world = start()
    world.far_server.kill()
    world.daemon.wait_for_event("target.postponed")
    world.touch(1)
    wait_until(lambda: world.database.value(
        "SELECT count(*) FROM pgripple.task"), what="a task for it")
    world.warm_near(1, 2)
    world.database.execute("TRUNCATE item")
    world.wait_gone(world.near, "", 1, 2)
    world.wait_gone(world.other, "o*[:", 1, 2)


def test_what_waits_for_a_target_survives_the_daemon(start):
    world = start()
    world.warm(*range(1, 51))
    world.far.save()
    world.far_server.kill()
    world.daemon.wait_for_event("target.postponed")
    world.touch(*range(1, 21))
    world.wait_gone(world.near, "", *range(1, 21))
    world.daemon.kill()
    world.touch(*range(21, 31))
    world.daemon.start()
    assert world.daemon.events("daemon.ready")[-1]["postponed"] == ["far"]
    world.touch(*range(31, 41))
    world.wait_gone(world.near, "", *range(1, 41))
    world.far_server.start()
    world.daemon.wait_for_event("target.resumed")
    wait_quiet(world.database)
    assert sorted(world.far.keys()) == [
        f"f:item:{number}" for number in range(41, 51)]


def test_too_much_to_wait_becomes_whole_models(start):
    world = start(limits={"postponed_tasks": 50, "batch_rows": 10})
    world.warm(*range(1, 201))
    warm(world.far, "f:foreign", "item:1")
    world.far.save()
    world.far_server.kill()
    world.daemon.wait_for_event("target.postponed")
    for number in range(1, 151):
        world.touch(number)
    world.wait_gone(world.near, "", *range(1, 151))
    assert world.near.exists("item:151") == 1
    escalated = world.daemon.wait_for_event("target.escalated", target="far")
    assert escalated["limit"] == 50
    wait_until(lambda: not world.database.changes(), what="an empty outbox")
    assert world.database.value("SELECT count(*) FROM pgripple.task") <= 51
    world.far_server.start()
    wait_quiet(world.database)
    assert sorted(world.far.keys()) == ["f:foreign", "item:1"]
    mark = world.daemon.mark()
    world.warm(1, 2)
    world.touch(1)
    wait_quiet(world.database)
    assert world.far.exists("f:item:2") == 1
    assert not world.daemon.events("target.escalated", after=mark)


def test_too_many_bytes_to_wait_become_whole_models(start):
    """Few, but large ones."""
    world = start(limits={"postponed_bytes": "16kB", "batch_rows": 10},
                  graph="""
        models:
          item:
            table: item
            invalidate:
              - "item:{id}"
              - { key: "%s:{id}", target: far }
        """ % ("long" * 250))
    world.far_server.kill()
    world.daemon.wait_for_event("target.postponed")
    for number in range(1, 61):
        world.touch(number)
    wait_until(lambda: not world.database.changes(), what="an empty outbox")
    escalated = world.daemon.wait_for_event("target.escalated", target="far")
    assert (escalated["setting"], escalated["limit"]) == (
        "limits.postponed_bytes", 16384)
    # The pattern, and one batch past the bound.
    assert world.database.value(
        "SELECT sum(octet_length(operation::text)) FROM pgripple.task"
    ) < 16384 + 2 * 1100
    world.far_server.start()
    wait_quiet(world.database)


def test_a_target_that_refuses_holds_nobody_up_for_long(start):
    """It is there, but takes no writes, for lack of replicas."""
    world = start()
    world.warm(*range(1, 11))
    world.far.config_set("min-replicas-to-write", 1)
    for number in range(1, 11):
        world.touch(number)
    world.wait_gone(world.near, "", *range(1, 11))
    world.daemon.wait_for_event("target.postponed", target="far")
    assert world.far.exists("f:item:1") == 1
    world.far.config_set("min-replicas-to-write", 0)
    wait_quiet(world.database)
    assert world.far.exists(*(f"f:item:{n}" for n in range(1, 11))) == 0
    world.daemon.wait_for_event("target.resumed", target="far")


def test_with_all_of_them_down_changes_stay_in_the_outbox(start):
    world = start()
    world.warm(1)
    for server in (world.far_server, world.near_server):
        with server.client() as client:
            client.save()
        server.kill()
    for name in ("default", "other", "far"):
        world.daemon.wait_for_event("target.postponed", target=name)
    world.touch(1)
    assert len(world.database.changes()) == 1
    assert world.database.value("SELECT count(*) FROM pgripple.task") == 0
    world.near_server.start()
    wait_until(lambda: world.near.exists("item:1") == 0, what="item:1 to go")
    world.far_server.start()
    wait_quiet(world.database)
    assert [client.keys() for client, _ in world.places()] == [[], [], []]


def test_a_daemon_without_a_default(database, make_redis, make_config,
                                    make_daemon, cli):
    database.execute(SCHEMA)
    server = make_redis()
    config = make_config(
        database.conninfo(), server.url,
        "models: { item: { table: item, invalidate:"
        " [{ key: 'item:{id}', target: one }] } }")
    config.settings["redis"] = {"targets": {"one": {"url": server.url}}}
    config.write_settings()
    install(config)
    make_daemon(config)
    with server.client() as client:
        warm(client, "item:1")
        database.execute("UPDATE item SET shop = 0 WHERE id = 1")
        wait_quiet(database)
        assert client.keys() == []
    config.write_graph(
        "models: { item: { table: item, invalidate: ['item:{id}'] } }")
    done = cli("check", "-c", config.path, "--offline")
    assert done.status == 78
    assert ('the rule names no "target", and the settings have no default'
            in done.stderr)


def test_ping_and_check_go_to_every_target(start, cli):
    world = start()
    path = world.daemon.config.path
    done = cli("ping", "-c", path)
    assert done.status == 0, done.stderr
    assert "the keys are gone, from every target" in done.stdout
    for client, _ in world.places():
        assert client.keys() == []
    done = cli("check", "-c", path)
    assert done.status == 0, done.stdout
    for name in ("default", "other", "far"):
        assert f'target "{name}": redis ' in done.stdout
    done = cli("explain", "-c", path, "item", '{"id": 7}')
    assert done.status == 0, done.stderr
    assert "unlink f:item:7 on far" in done.stdout
    world.far_server.kill()
    done = cli("check", "-c", path)
    assert done.status == 69
    assert 'target "far": could not connect' in done.stdout


def test_ping_tells_which_target_the_daemon_does_not_reach(start, cli,
                                                           make_redis):
    world = start()
    config = world.daemon.config
    other = make_redis()
    config.write_settings({"redis": {"targets": {"far": {"url": other.url}}}})
    done = cli("ping", "-c", config.path, "--timeout", "5s")
    assert done.status == 1
    assert "the key is still there, in target far" in done.stderr


def test_an_unknown_target_is_told_with_its_place(start, cli):
    world = start()
    config = world.daemon.config
    config.write_graph(GRAPH.replace("target: other", "target: othre"))
    done = cli("check", "-c", config.path, "--offline")
    assert done.status == 78
    assert ('graph.yaml:7:37: error: the settings have no target "othre"\n'
            in done.stderr)
    assert 'hint: Did you mean "other"?' in done.stderr


def test_a_task_of_a_target_that_is_gone_is_rejected(start):
    world = start()
    world.database.execute(
        "INSERT INTO pgripple.task (operation) VALUES"
        """ ('{"do":"unlink","key":"a","target":"gone"}')""")
    world.touch(1)
    event = world.daemon.wait_for_event("task.rejected")
    assert event["error"] == 'the settings have no target "gone"'
    assert world.database.value("SELECT count(*) FROM pgripple.rejected") == 1
