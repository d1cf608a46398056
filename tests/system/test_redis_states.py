"""Redis in states in which it answers, but with errors: the daemon does as
docs/operations.md says ("What Redis refuses"), takes nothing for done, and
goes on when the state has passed."""

import os
import re

import pytest
import redis

from harness.flow import install, wait_quiet, warm
from harness.postgres import ROOT
from harness.process import free_port
from harness.proxy import Proxy
from harness.wait import wait_until

SCHEMA = """
    CREATE TABLE item (id integer PRIMARY KEY, shop integer);
    INSERT INTO item SELECT n, 0 FROM generate_series(1, 9) AS n;
"""


@pytest.fixture
def start(database, make_config, make_daemon):
    """start(redis_url, *rules): the database and the daemon."""
    def at_work(url, *rules):
        database.execute(SCHEMA)
        lines = "\n".join(f"          - {rule}" for rule in rules)
        config = make_config(
            database.conninfo(), url,
            f"models:\n  item:\n    table: item\n    invalidate:\n{lines}\n",
            {"retry_max": "200ms"})
        install(config)
        return database, make_daemon(config)
    return at_work


def touch(database, *ids):
    database.execute(
        "UPDATE item SET shop = shop + 1 WHERE id = ANY(%s)", list(ids))


def expect_kept(database):
    """The change waits, as it should, and nothing was rejected."""
    assert len(database.changes()) == 1
    assert database.value("SELECT count(*) FROM pgripple.rejected") == 0


def is_loading(server):
    try:
        with server.client() as client:
            client.exists("item:1")
        return False
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        return False


def test_loading(start, make_redis):
    """While it loads Redis answers ECHO, and all of the verification."""
    server = make_redis(enable_debug_command="local", key_load_delay=2000,
                        loading_process_events_interval_bytes=1024)
    database, daemon = start(server.url, '"item:{id}"')
    with server.client() as client, server.client() as other:
        warm(client, "item:1", "item:2", *(f"other:{n}" for n in range(5000)))
        mark = daemon.mark()
        other.connection_pool.get_connection("DEBUG").send_command(
            "DEBUG", "RELOAD")                      # connections stay
        wait_until(lambda: is_loading(server), what="LOADING")
        touch(database, 1)
        failed = daemon.wait_for_event("batch.failed", after=mark)
        assert "LOADING" in failed["error"]
        expect_kept(database)
        client.config_set("key-load-delay", 0)
        wait_until(lambda: not is_loading(server), what="the end of LOADING")
        wait_quiet(database)
        assert client.exists("item:1", "item:2") == 1
        warm(client, "item:1")
        client.save()
    server.kill()
    mark = daemon.mark()
    server.start(wait=False)                        # a connection is new
    wait_until(lambda: is_loading(server), what="LOADING")
    failed = daemon.wait_for_event("redis.look_failed", after=mark)
    assert "LOADING" in failed["error"]
    touch(database, 1)
    with server.client() as client:
        expect_kept(database)
        client.config_set("key-load-delay", 0)
        wait_quiet(database)
        assert client.exists("item:1", "other:1") == 1


@pytest.mark.parametrize("read_only, word", [
    ("yes", "READONLY"), ("no", "MASTERDOWN")])
def test_a_master_that_becomes_a_replica(start, make_redis, read_only, word):
    """Of a master that is away, which it must not answer without."""
    server = make_redis(replica_read_only=read_only,
                        replica_serve_stale_data="no")
    database, daemon = start(server.url, '"item:{id}"')
    with server.client() as client:
        warm(client, "item:1", "item:2")
        mark = daemon.mark()
        client.execute_command("REPLICAOF", "127.0.0.1", free_port())
        touch(database, 1)
        down = daemon.wait_for_event("redis.down", after=mark)
        assert word in down["error"]
        wait_until(lambda: any("is a replica of" in event["error"] for event
                               in daemon.events("redis.down", after=mark)),
                   what="another look")
        expect_kept(database)
        client.execute_command("REPLICAOF", "NO", "ONE")
        wait_quiet(database)
        assert client.exists("item:1", "item:2") == 1


# ---- a user with the rights that docs/operations.md names, and no others ----

def documented_rights():
    """Commands, of the paragraph that says what the user needs."""
    with open(os.path.join(ROOT, "docs/operations.md"), encoding="utf-8") as f:
        text = f.read().partition("The user of each target needs")[2]
    return re.findall(r"\+[a-z]+", text.partition("\n\n")[0])


def test_the_documented_rights_are_enough(start, make_redis, database, cli):
    """For every rule, whole models, tasks and ping: so nothing else is sent,
    such as KEYS or FLUSHDB."""
    server = make_redis()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "least", "on", ">secret",
                               "~*", "&*", *documented_rights())
        _, daemon = start(
            f"redis://least:secret@127.0.0.1:{server.port}/0",
            '"item:{id}"', '{ hash: h, field: "{id}" }', '{ version: "v:{id}" }',
            '{ fence: "f:{id}" }', '{ tag: "t:{id}" }', '{ pattern: "p:{id}:*" }',
            '{ publish: c, message: "{id}" }', '{ stream: s, fields: [id] }',
            "cacheops: {}")
        large = [f"m:{n}" for n in range(250)]
        cached = [f"q:{n}" for n in range(250)]
        warm(client, "item:1", "f:1", "p:1:a", *large, *cached)
        client.hset("h", mapping={"1": 1, "2": 1})
        client.sadd("t:1", *large)
        client.sadd("schemes:item", "id", "id,unknown")
        client.sadd("conj:item:id=1", *cached)
        client.set("v:1", 5)
        client.execute_command("ACL", "LOG", "RESET")
        touch(database, 1)
        wait_quiet(database)
        assert not client.exists("item:1", "f:1", "p:1:a", *large, *cached)
        assert client.get("v:1") == "6" and client.hkeys("h") == ["2"]
        database.execute("TRUNCATE item")
        wait_quiet(database)
        assert client.get("v:1") == "7" and not client.exists("h")
        done = cli("ping", "-c", daemon.config.path)
        assert done.status == 0, done.stderr
        # A connection's name is a courtesy.
        assert [entry["object"] for entry in client.acl_log()
                if not entry["object"].startswith("client")] == []
    assert database.value("SELECT count(*) FROM pgripple.rejected") == 0


# ---- a cluster behind a proxy that hides it ----

class Cluster:
    """Two nodes; all slots are of the first one, unless told otherwise."""

    def __init__(self, make_redis):
        self.servers = [make_redis(cluster_enabled="yes",
                                   cluster_port=free_port(),
                                   cluster_require_full_coverage="no")
                        for _ in range(2)]
        self.one, self.other = [server.client() for server in self.servers]
        self.one_id, self.other_id = [
            self.call("MYID", client) for client in (self.one, self.other)]

    def call(self, *words):
        *words, client = (words if isinstance(words[-1], redis.Redis)
                          else (*words, self.one))
        return client.execute_command("CLUSTER", *words)

    def take_all_slots(self):
        self.call("MEET", "127.0.0.1", self.servers[1].port,
                  self.servers[1].settings["cluster_port"])
        wait_until(lambda: self.other_id in str(self.call("NODES")),
                   what="two nodes")
        self.call("ADDSLOTSRANGE", 0, 16383)
        wait_until(lambda: "cluster_state:ok" in str(self.call("INFO")),
                   what="a cluster")

    def set_slot(self, key, *words):
        self.call("SETSLOT", self.call("KEYSLOT", key), *words)

    def close(self):
        self.one.close()
        self.other.close()


@pytest.fixture
def cluster(make_redis):
    nodes = Cluster(make_redis)
    yield nodes
    nodes.close()


@pytest.mark.once
def test_a_cluster(start, cluster, make_redis):
    """Not supported, and refused when the daemon connects; but who connects
    through a proxy may not know."""
    plain = make_redis()
    cluster.take_all_slots()
    proxy = Proxy(cluster.servers[0].socket)
    proxy.rewritten = (b"cluster_enabled:1", b"cluster_enabled:0")
    database, daemon = start(f"redis://127.0.0.1:{proxy.port}/0",
                             '{ key: "item:{id}", ops: [update] }',
                             '{ key: "{{7}}:{id}", ops: [delete] }',
                             '{ key: "{{7}}:other{id}", ops: [delete] }')
    key = "item:1"

    def expect_refused(word, mend, write=lambda: touch(database, 1)):
        mark = daemon.mark()
        write()
        failed = daemon.wait_for_event("batch.failed", after=mark)
        assert f'"{word} ' in failed["error"]
        expect_kept(database)
        mend()
        wait_quiet(database)

    slot = cluster.call("KEYSLOT", key)
    cluster.call("DELSLOTS", slot)
    expect_refused("CLUSTERDOWN", lambda: cluster.call("ADDSLOTS", slot))
    cluster.set_slot(key, "NODE", cluster.other_id)
    expect_refused("MOVED", lambda: cluster.set_slot(
        key, "NODE", cluster.one_id))
    cluster.set_slot(key, "MIGRATING", cluster.other_id)
    expect_refused("ASK", lambda: cluster.set_slot(key, "STABLE"))
    warm(cluster.one, "{7}:5")
    cluster.set_slot("{7}", "MIGRATING", cluster.other_id)
    expect_refused("TRYAGAIN", lambda: cluster.set_slot("{7}", "STABLE"),
                   lambda: database.execute("DELETE FROM item WHERE id = 5"))
    assert cluster.one.exists("{7}:5") == 0

    def lead_to_a_single_server():
        proxy.target = plain.socket
        proxy.cut()

    expect_refused("CROSSSLOT", lead_to_a_single_server,
                   lambda: touch(database, 1, 2))
    proxy.close()
