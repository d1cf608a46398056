"""repeat_after: what a rule does once more, later, and what becomes of it when
the daemon dies, when there is too much of it, and when Redis refuses it."""

import json
import os

import pytest

from harness.daemon import run_cli
from harness.flow import install, wait_quiet, warm
from harness.postgres import Database, Postgres
from harness.roles import DAEMON
from harness.wait import wait_until

SCHEMA = """
    CREATE TABLE item (id integer PRIMARY KEY, slug text);
    INSERT INTO item SELECT n, 'x' FROM generate_series(1, 3000) AS n;
    CREATE TABLE other (id integer PRIMARY KEY);
"""

OTHER = """  other:
    table: other
    invalidate: ["other:{id}"]
"""


def graph_of(rules):
    lines = "\n".join(f"      - {rule}" for rule in rules)
    return f"models:\n  item:\n    table: item\n    invalidate:\n{lines}\n" + OTHER


@pytest.fixture
def start(database, redis_server, cache, make_config, make_daemon):
    """start(rules, redis_url=None, **settings): the daemon at work on table
    "item" with these rules; the database and the daemon."""
    def at_work(*rules, redis_url=None, **settings):
        database.execute(SCHEMA)
        settings.setdefault("postgres", {}).setdefault("poll_interval",
                                                       "100ms")
        config = make_config(database.conninfo(),
                             redis_url or redis_server.url, graph_of(rules),
                             settings)
        install(config)
        return database, make_daemon(config)
    return at_work


def wait_acknowledged(database):
    wait_until(lambda: not database.changes(), 30, "an empty outbox")


def touch(database, number=1):
    database.execute("UPDATE item SET slug = slug || 'y' WHERE id = %s",
                     number)
    wait_acknowledged(database)


def waiting(database):
    """The operations of the tasks that wait, a list for each."""
    with database.own.cursor() as cursor:
        cursor.execute("SELECT operation FROM pgripple.task ORDER BY id")
        return [task.get("all", [task]) for task, in cursor.fetchall()]


def come_due(database):
    """Repeats that wait for an hour are due now. A test that has something to
    do before a repeat is not to race with it."""
    assert database.value(
        "WITH due AS (UPDATE pgripple.task SET due = now() WHERE due > now()"
        " RETURNING due) SELECT count(*) FROM due") > 0


def wait_for_the_hour(database):
    """Whether what waits does so for an hour."""
    return database.value(
        "SELECT bool_and(due - now() BETWEEN '59 min' AND '60 min')"
        " FROM pgripple.task")


def test_every_kind_of_rule_is_repeated(start, cache):
    database, _ = start(
        '{ key: "item:{id}", repeat_after: 1h }',
        '{ hash: "items", field: "{id}", repeat_after: 1h }',
        '{ version: "v:{id}", repeat_after: 1h }',
        '{ fence: "f:{id}", hold: 1m, repeat_after: 1h }',
        '{ tag: "tag:{id}", repeat_after: 1h }',
        '{ pattern: "page:{id}:*", repeat_after: 1h }',
        '{ stream: "log", fields: [id], repeat_after: 1h }',
        '{ key: "once:{id}" }', limits={"tag_members": 10})

    def fill(n_tagged):
        tagged = [f"tagged:{n}" for n in range(n_tagged)]
        warm(cache, "item:1", "f:1", "page:1:a", "once:1", *tagged)
        cache.hset("items", mapping={"1": "cached"})
        cache.sadd("tag:1", *tagged)

    fill(1)
    cache.set("v:1", 1)
    touch(database)
    wait_until(lambda: not cache.exists("page:1:a"), what="the first scan")
    fence = cache.get("fence:f:1")
    assert sorted(cache.keys()) == ["fence:f:1", "log", "v:1"]
    wait_until(lambda: len(waiting(database)) == 2, what="a list and a scan")
    fill(35)                                        # late, with the old row
    assert wait_for_the_hour(database)
    come_due(database)
    wait_quiet(database)
    assert sorted(cache.keys()) == ["fence:f:1", "log", "once:1", "v:1"]
    assert cache.get("v:1") == "3"
    assert cache.get("fence:f:1") not in (None, fence)
    assert cache.xlen("log") == 2


def test_a_message_is_repeated(start, redis_server):
    database, _ = start(
        '{ publish: "items", message: "{id}", repeat_after: 100ms }')
    with redis_server.client() as client:
        ears = client.pubsub(ignore_subscribe_messages=True)
        ears.subscribe("items")
        ears.get_message(timeout=1)
        heard = []
        touch(database)

        def hears_two():
            message = ears.get_message(timeout=0.1)
            if message:
                heard.append(message["data"])
            return heard == ["1", "1"]

        wait_until(hears_two, what="the message twice")
        ears.close()


def test_a_whole_model_is_repeated(start, cache):
    database, _ = start('{ key: "item:{id}", repeat_after: 1h }')
    warm(cache, "item:1")
    database.execute("TRUNCATE item")
    wait_until(lambda: not cache.exists("item:1"), what="the first scan")
    warm(cache, "item:1")
    wait_until(lambda: wait_for_the_hour(database), what="the repeat to wait")
    come_due(database)
    wait_quiet(database)
    assert not cache.exists("item:1")


def test_repeats_survive_the_daemon_and_their_rule(
        start, cache, make_daemon):
    database, daemon = start('{ key: "item:{id}", repeat_after: 1h }')
    touch(database)
    daemon.kill()
    warm(cache, "item:1")
    come_due(database)
    daemon.config.write_graph(graph_of(['"item:{id}"']))
    make_daemon(daemon.config)
    wait_quiet(database)
    assert not cache.exists("item:1")


def test_a_repeat_does_not_wait_for_the_end_of_a_scan(start, cache):
    database, daemon = start('{ key: "item:{id}", repeat_after: 1h }',
                             tasks={"spread": "1h"})
    warm(cache, *[f"other:{n}" for n in range(1000)])
    database.execute("TRUNCATE other")
    wait_until(lambda: cache.dbsize() < 1000, what="the scan to begin")
    touch(database)
    warm(cache, "item:1")
    come_due(database)
    wait_until(lambda: not cache.exists("item:1"), what="the repeat")
    wait_until(lambda: len(waiting(database)) == 1, what="the scan alone")
    assert not daemon.events("task.done", do="scan")


def test_applied_does_not_wait_for_repeats(start):
    database, _ = start('{ key: "item:{id}", repeat_after: 1m }')
    with database.connect(autocommit=False) as session:
        with session.cursor() as cursor:
            cursor.execute("UPDATE item SET slug = 'z' WHERE id = 1"
                           " RETURNING pg_current_xact_id()::text")
            xid, = cursor.fetchone()
    wait_until(lambda: database.value("SELECT pgripple.applied(%s::xid8)",
                                      xid), what="applied")
    assert len(waiting(database)) == 1


# ---- how many ----

def test_the_operations_of_a_batch_share_rows(start):
    database, _ = start('{ key: "item:{id}", repeat_after: 1m }')
    database.execute("UPDATE item SET slug = 'y'")
    wait_acknowledged(database)
    sizes = [len(operations) for operations in waiting(database)]
    assert sum(sizes) == 3000
    assert max(sizes) <= 1000 and len(sizes) <= 6


def test_the_same_again_puts_the_repeat_off(start):
    database, _ = start('{ key: "item:{id}", repeat_after: 1m }')
    touch(database)
    due = database.value("SELECT due FROM pgripple.task")
    for _ in range(20):
        touch(database)
    assert len(waiting(database)) == 1
    assert database.value("SELECT due FROM pgripple.task") > due


def test_past_the_limit_whole_models_are_repeated(start, cache):
    database, daemon = start('{ key: "item:{id}", repeat_after: 1h }',
                             tasks={"max_rows": 5})
    for number in range(1, 41):
        touch(database, number)
        warm(cache, f"item:{number}")               # late, with the old row
        assert len(waiting(database)) <= 5 + 2      # of two slots
    assert daemon.wait_for_event("tasks.full")["rows"] == 5
    come_due(database)
    wait_quiet(database)
    assert cache.keys() == []
    daemon.wait_for_event("task.done", do="scan")
    mark = daemon.mark()
    touch(database)                                 # there is room again
    assert [task[0]["do"] for task in waiting(database)] in (["unlink"], [])
    assert not daemon.events("tasks.full", after=mark)


# ---- tasks that cannot be done ----

@pytest.mark.parametrize("operation", [
    '{"do": "flush", "key": "item:1"}', '{"all":[]}', '7',
    '{"all":[{"do":"scan","pattern":"item:*"}]}',
    '{"all":[{"do":"unlink","key":""}]}'])
def test_a_task_that_nobody_understands_is_rejected(start, cache, operation):
    database, daemon = start('"item:{id}"')
    database.execute("INSERT INTO pgripple.task (operation) VALUES (%s),"
                     """ ('{"do":"scan","pattern":"item:*"}')""", operation)
    warm(cache, "item:1")
    touch(database)                                 # wakes the daemon
    wait_quiet(database)
    assert cache.keys() == []
    (change, reason), = database.execute(
        "SELECT change, reason FROM pgripple.rejected")
    assert change == {"op": "task", "operation": json.loads(operation)}
    assert daemon.wait_for_event("task.rejected")["error"] == reason


def test_a_repeat_that_redis_refuses_holds_no_other_up(start, make_redis):
    server = make_redis()
    database, daemon = start('{ key: "item:{id}", repeat_after: 1h }',
                             redis_url=server.url)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "root", "on", ">secret",
                               "~*", "&*", "+@all")
    root = server.client(username="root", password="secret")
    database.execute("UPDATE item SET slug = 'y' WHERE id < 3")
    wait_acknowledged(database)
    root.execute_command("ACL", "SETUSER", "default", "resetkeys", "~item:2",
                         "~item:3", "~pgripple:*")
    warm(root, "item:1", "item:2")
    come_due(database)
    wait_quiet(database)
    assert root.keys() == ["item:1"]
    reason = database.value("SELECT reason FROM pgripple.rejected")
    assert "NOPERM" in reason and '"item:1"' in reason
    assert daemon.wait_for_event("task.rejected")["error"] == reason
    touch(database, 3)
    come_due(database)
    wait_quiet(database)
    root.execute_command("ACL", "SETUSER", "default", "allkeys")
    assert run_cli("rejected", "retry", "-c",
                   daemon.config.path).status == 0
    wait_until(lambda: root.keys() == [], what="the repeat")
    wait_quiet(database)
    assert database.value("SELECT count(*) FROM pgripple.rejected") == 0
    root.close()


# ---- replicas ----

class Replica(Postgres):
    """A streaming standby of a server."""

    name = "replica"

    def __init__(self, primary):
        self.primary = primary
        super().__init__()

    def init(self):
        self.run_tool("pg_basebackup", "-D", self.data, "-R",
                      "--checkpoint=fast", "-d", self.primary.conninfo())
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write(f"port = {self.port}\n"
                       f"unix_socket_directories = '{self.folder}'\n")


@pytest.fixture(scope="module")
def pair():
    """A server and its replica."""
    servers = [Postgres()]
    try:
        servers[0].start()
        servers.append(Replica(servers[0]))
        servers[1].start()
        yield servers
    finally:
        for server in reversed(servers):
            server.remove()


@pytest.fixture
def replicated(pair, request, redis_server, cache, make_config, make_daemon):
    """start(timeout, may_see=True): a database, the same on the replica, whose
    replay is paused, and the daemon with a key that is removed again after
    replicas have it, and one that is not."""
    server, replica = pair
    primary = server.create_database(f"t{abs(hash(request.node.name)) % 10**8}")
    copy = Database(replica, primary.name)

    def start(timeout, may_see=True):
        primary.execute(SCHEMA)
        config = make_config(
            primary.conninfo(), redis_server.url,
            graph_of(['{ key: "item:{id}", repeat_after: replicas }',
                      '"once:{id}"']),
            {"postgres": {"replica_timeout": timeout,
                          "poll_interval": "100ms"}})
        install(config)
        primary.execute(f"GRANT pg_read_all_stats TO {DAEMON}" if may_see
                        else f"REVOKE pg_read_all_stats FROM {DAEMON}")
        wait_until(lambda: primary.value(
            "SELECT count(*) FROM pg_stat_replication WHERE"
            " replay_lsn >= pg_current_wal_lsn()"), 30, "the replica")
        daemon = make_daemon(config)
        copy.execute("SELECT pg_wal_replay_pause()")
        wait_until(lambda: copy.value(
            "SELECT pg_get_wal_replay_pause_state()") == "paused",
            what="the pause")
        return primary, copy, daemon

    yield start
    if replica.is_running():
        copy.execute("SELECT pg_wal_replay_resume()")
    else:
        replica.start()
    for connection in copy.connections:
        connection.close()
    primary.drop()


def fill_from(replica, cache):
    """What a reader does that reads from a replica."""
    value = replica.value("SELECT slug FROM item WHERE id = 1")
    cache.mset({"item:1": value, "once:1": value})
    return value


def test_a_repeat_waits_for_the_replicas(replicated, cache, make_daemon):
    primary, replica, daemon = replicated("1m")
    touch(primary)
    assert fill_from(replica, cache) == "x"         # the old row
    daemon.kill()                                   # it is waited for
    daemon = make_daemon(daemon.config)             # all the same
    touch(primary, 2)
    assert len(waiting(primary)) == 2 and cache.get("item:1") == "x"
    replica.execute("SELECT pg_wal_replay_resume()")
    wait_until(lambda: not cache.exists("item:1"), what="the repeat")
    wait_until(lambda: waiting(primary) == [], what="the other repeat")
    assert cache.get("once:1") == "x"               # stale without one
    assert fill_from(replica, cache) == "xy"        # clean with it


def test_a_replica_that_is_gone_is_waited_for_beside_others(replicated,
                                                            cache):
    primary, _, daemon = replicated("1m")
    warm(cache, "item:1", "item:2")
    for key, senders in (("item:1", "'{1}'"), ("item:2", (
            "ARRAY(SELECT pid FROM pg_stat_replication)"))):
        primary.execute(
            "INSERT INTO pgripple.task (operation, due, lsn, replicas)"
            f" SELECT %s, now() + interval '1 h', '0/1', {senders}",
            '{"all":[{"do":"unlink","key":"%s"}],"repeat":"replicas"}' % key)
    touch(primary, 3)                               # wakes the daemon
    wait_until(lambda: not cache.exists("item:2"), what="one of the repeats")
    asked = len(daemon.events("tasks.state", to="asking"))
    wait_until(lambda: len(daemon.events("tasks.state", to="asking"))
               > asked + 2, what="another look")
    assert cache.exists("item:1")


@pytest.mark.parametrize("how", ["gone", "unseen", "slow"])
def test_a_replica_is_not_waited_for_for_ever(replicated, cache, how):
    primary, replica, _ = replicated("1h", may_see=how != "unseen")
    if how == "unseen":                             # though it has replayed
        replica.execute("SELECT pg_wal_replay_resume()")
    touch(primary)
    warm(cache, "item:1")
    if how == "gone":
        replica.server.kill()
    assert wait_for_the_hour(primary) and cache.exists("item:1")
    come_due(primary)
    wait_until(lambda: not cache.exists("item:1"), what="the repeat")


def test_check_tells_whether_replicas_can_be_seen(start):
    database, daemon = start('{ key: "item:{id}", repeat_after: replicas }')

    def warnings():
        done = run_cli("check", "-c", daemon.config.path)
        assert done.status == 0, done.stdout + done.stderr
        return [line for line in done.stdout.splitlines()
                if "replicas" in line]

    database.execute(f"REVOKE pg_read_all_stats FROM {DAEMON}")
    assert "may not see how far replicas are" in warnings()[0]
    database.execute(f"GRANT pg_read_all_stats TO {DAEMON}")
    assert warnings() == []
    database.execute(f"REVOKE pg_read_all_stats FROM {DAEMON}")


def test_without_replicas_it_waits_for_those_that_may_be_somewhere(
        start, cache):
    database, _ = start('{ key: "item:{id}", repeat_after: replicas }',
                        postgres={"replica_timeout": "1h"})
    touch(database)
    warm(cache, "item:1")
    assert wait_for_the_hour(database) and cache.exists("item:1")
    come_due(database)
    wait_quiet(database)
    assert not cache.exists("item:1")


def test_nothing_is_asked_while_nothing_waits(start):
    """The daemon looks every 100 ms, but only then."""
    database, daemon = start('{ key: "item:{id}", repeat_after: replicas }',
                             postgres={"replica_timeout": "1s",
                                       "poll_interval": "1h"})
    touch(database)
    wait_quiet(database)
    wait_until(lambda: daemon.events("tasks.state", to="idle"), what="idle")

    def asked():
        return len(daemon.events("tasks.state", to="asking"))

    n_asked = asked()
    assert 2 <= n_asked <= 25
    with pytest.raises(AssertionError):
        wait_until(lambda: asked() > n_asked + 1, 0.5)
