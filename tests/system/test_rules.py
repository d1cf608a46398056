"""Every kind of rule, end to end: what it does for a row, for a value that is
not known, for the whole model, and what becomes of what Redis refuses."""

import hashlib
import os
import time

import pytest
import redis

from harness.flow import install, wait_quiet, warm
from harness.wait import wait_until

SCHEMA = """
    CREATE TABLE item (id integer PRIMARY KEY, slug text, shop integer);
    INSERT INTO item VALUES (1, 'Red', 7), (2, 'Blue/Sky', 7), (3, NULL, 8);
"""


@pytest.fixture
def start(database, redis_server, cache, make_config, make_daemon):
    """start(rules, whole_model=None, redis_url=None, **settings): the daemon
    at work on table "item" with these rules; the database and the daemon."""
    def at_work(rules, model="", redis_url=None, **settings):
        database.execute(SCHEMA)
        lines = "\n".join(f"          - {rule}" for rule in rules)
        graph = (f"models:\n  item:\n    table: item\n{model}"
                 f"    invalidate:\n{lines}\n")
        config = make_config(database.conninfo(),
                             redis_url or redis_server.url, graph, settings)
        install(config)
        return database, make_daemon(config)
    return at_work


def touch(database, number=1, column="shop"):
    database.execute(f"UPDATE item SET {column} = {column} + 1"
                     f" WHERE id = {number}" if column == "shop" else
                     f"UPDATE item SET slug = 'x' WHERE id = {number}")
    wait_quiet(database)


def forget_everything(database):
    database.execute("TRUNCATE item")
    wait_quiet(database)


def test_hash(start, cache):
    database, _ = start(['{ hash: "shop:{shop}", field: "item:{id}" }',
                         '{ hash: "all", field: "{id}" }'])
    cache.hset("shop:7", mapping={"item:1": 1, "item:2": 1})
    cache.hset("shop:8", mapping={"item:1": 1, "item:3": 1})
    cache.hset("all", mapping={"1": 1, "2": 1})
    touch(database)                                     # from 7 to 8
    assert cache.hkeys("shop:7") == ["item:2"]
    assert cache.hkeys("shop:8") == ["item:3"]
    assert cache.hkeys("all") == ["2"]
    forget_everything(database)
    assert cache.keys() == []


def test_version(start, cache):
    database, _ = start(['{ version: "v:{id}" }', '{ version: "v" }'])
    cache.mset({"v:1": 41, "v:2": 5, "v": 1, "w": 1})
    touch(database)
    assert cache.mget("v:1", "v:2", "v") == ["42", "5", "2"]
    before = int(time.time() * 1e6)
    cache.delete("v:1")
    touch(database)
    begun = int(cache.get("v:1"))
    assert before <= begun <= time.time() * 1e6
    forget_everything(database)
    assert cache.mget("v:1", "v:2", "v", "w") == [
        str(begun + 1), "6", "4", "1"]


def test_fence(start, cache):
    database, _ = start(['{ fence: "item:{id}", hold: 1m }'])
    warm(cache, "item:1", "item:2")
    touch(database)
    assert sorted(cache.keys()) == ["fence:item:1", "item:2"]
    first = cache.get("fence:item:1")
    assert 50000 < cache.pttl("fence:item:1") <= 60000
    touch(database)
    assert cache.get("fence:item:1") != first
    forget_everything(database)
    assert sorted(cache.keys()) == ["fence:item:*", "fence:item:1"]


def test_fence_of_a_full_redis(start, make_redis):
    full = make_redis()
    database, daemon = start(['{ fence: "item:{id}" }'], redis_url=full.url)
    with full.client() as client:
        warm(client, "item:1", "item:2")
        client.config_set("maxmemory", 1)
        touch(database)
        assert client.keys() == ["item:2"]
        assert daemon.wait_for_event("redis.fence_refused")["key"] == (
            "fence:item:1")


def test_tag(start, cache):
    database, _ = start(['{ tag: "tag:{shop}" }'])
    for tag, keys in {"tag:7": ["a", "b"], "tag:8": ["b", "c"],
                      "tag:9": ["d"]}.items():
        cache.sadd(tag, *keys)
        warm(cache, *keys)
    touch(database)                                     # from 7 to 8
    assert sorted(cache.keys()) == ["d", "tag:9"]
    forget_everything(database)
    assert cache.keys() == []


def test_a_tag_of_many_members_is_drained_by_a_task(start, cache):
    database, daemon = start(['{ tag: "tag:{shop}" }'],
                             limits={"tag_members": 100})
    keys = [f"page:{n}" for n in range(1234)]
    cache.sadd("tag:7", *keys)
    warm(cache, "other", *keys)
    touch(database)
    assert cache.keys() == ["other"]
    done = daemon.wait_for_event("task.done")
    assert (done["do"], done["keys"]) == ("drain", 1234)


def test_the_tag_of_a_batch_that_ended_early_is_drained(start, cache):
    """As if the daemon had died between Redis and the acknowledgement."""
    database, daemon = start(['{ tag: "tag:{shop}" }'])
    cache.sadd("pgripple:drain:tag:7", "page:1", "page:2")
    warm(cache, "page:1", "page:2", "other")
    touch(database)
    assert cache.keys() == ["other"]


def test_pattern(start, cache):
    database, _ = start(['{ pattern: "page:{slug}:*" }'])
    database.execute("INSERT INTO item VALUES (4, 'a*[b]', 1)")
    wait_quiet(database)
    warm(cache, "page:Red:1", "page:Red:2", "page:Blue:1", "page:a*[b]:1",
         "page:axb:1")
    database.execute("DELETE FROM item WHERE id IN (1, 3, 4)")
    wait_quiet(database)
    assert sorted(cache.keys()) == ["page:Blue:1", "page:axb:1"]


def test_check_tells_what_a_pattern_costs(start, cache, cli):
    _, daemon = start(['{ pattern: "page:{slug}:*" }', '"item:{id}"',
                       '{ pattern: "off:{id}:*", enabled: false }'])
    warm(cache, *[f"page:x:{n}" for n in range(77)])
    done = cli("check", "-c", daemon.config.path)
    assert done.status == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if "every key" in line
            ] == ['warning  model "item": rule "page:{slug}:*" looks at every'
                  ' key for each change, now 77']


def test_publish(start, redis_server, cache):
    database, _ = start(['{ publish: "items", message: "item:{id}:{slug}" }',
                         '"item:{id}"'])
    warm(cache, "item:1")
    with redis_server.client() as client:
        ears = client.pubsub(ignore_subscribe_messages=True)
        ears.subscribe("items")
        heard = []

        def hears(expected):
            message = ears.get_message(timeout=0.1)
            if message:
                # What it tells of has been done.
                assert cache.get("item:1") is None
                heard.append(message["data"])
            return heard == expected

        ears.get_message(timeout=1)                     # that it subscribed
        database.execute("UPDATE item SET shop = 1 WHERE id IN (1, 3)")
        wait_until(lambda: hears(["item:1:Red"]), what="one message")
        database.execute("TRUNCATE item")
        wait_until(lambda: hears(["item:1:Red", "item:*:*"]),
                   what="a message for all")
        ears.close()


def test_stream(start, cache):
    database, _ = start(
        ['{ stream: "log", fields: [id, slug], maxlen: 100 }',
         '{ stream: "keys", fields: { key: "item:{id}" } }'])
    database.execute("UPDATE item SET shop = 1 WHERE id IN (1, 3)")
    wait_quiet(database)
    forget_everything(database)
    assert [entry for _, entry in cache.xrange("log")] == [
        {"model": "item", "id": "1", "slug": "Red"},
        {"model": "item", "id": "3"},
        {"model": "item", "whole": "true", "id": "*", "slug": "*"}]
    assert [entry["key"] for _, entry in cache.xrange("keys")] == [
        "item:1", "item:3", "item:*"]
    database.execute("INSERT INTO item SELECT generate_series(10, 409)")
    wait_quiet(database)
    # Redis removes whole nodes, of 100 entries each.
    assert 100 <= cache.xlen("log") <= 200 and cache.xlen("keys") == 403


def test_filters(start, cache):
    rules = {"lower": "red", "upper": "RED", "url": "Red",
             "md5": hashlib.md5(b"Red").hexdigest(),
             "lower|sha1": hashlib.sha1(b"red").hexdigest()}
    database, _ = start([f'"{n}:{{slug|{filters}}}"'
                         for n, filters in enumerate(rules)]
                        + ['"none:{slug|default(\'nil\')|upper}"'])
    keys = [f"{n}:{value}" for n, value in enumerate(rules.values())]
    warm(cache, "none:NIL", "2:Blue%2FSky%C3%A9", *keys)
    touch(database)
    assert sorted(cache.keys()) == ["2:Blue%2FSky%C3%A9", "none:NIL"]
    touch(database, 3)
    assert cache.get("none:NIL") is None
    database.execute("UPDATE item SET slug = E'Blue/Sky\\u00e9' WHERE id = 2")
    wait_quiet(database)
    assert cache.keys() == []


@pytest.mark.parametrize("value", [
    "a\nb", "{id}", "{{", "}", "caf\u00e9 \u2603", " ", "*?[x]\\", "'\"",
    "\x01\x7f"])
def test_any_text_makes_a_key(start, cache, value):
    database, _ = start(['"s:{slug}"', '{ tag: "t:{slug}" }'])
    warm(cache, f"s:{value}", f"{value}", "s:other")
    cache.sadd(f"t:{value}", value)
    database.execute("UPDATE item SET slug = %s WHERE id = 1", value)
    wait_quiet(database)
    assert cache.keys() == ["s:other"]


def test_whole_model_says_what_goes_instead_of_what_rules_say(start, cache):
    database, _ = start(['"item:{id}"', '{ version: "v" }'],
                        model='    whole_model: ["page:*"]\n')
    warm(cache, "item:1", "page:1")
    cache.set("v", 1)
    forget_everything(database)
    assert sorted(cache.keys()) == ["item:1", "v"] and cache.get("v") == "2"


def test_a_whole_model_is_spread_over_time(start, cache):
    database, daemon = start(['"item:{id}"'], tasks={"spread": "1s"})
    warm(cache, *[f"item:{n}" for n in range(3000)])
    forget_everything(database)
    assert cache.dbsize() == 0
    assert daemon.wait_for_event("task.done")["us"] > 900000


@pytest.mark.once
def test_long_work_is_done_in_slices(start, make_redis):
    """No command of it, however much there is to do, keeps Redis for long: half
    of them take less than a millisecond even on a busy machine."""
    server = make_redis(slowlog_log_slower_than=0, slowlog_max_len=100000)
    database, _ = start(['"item:{id}"', '{ tag: "tag:{shop}" }'],
                        redis_url=server.url)
    with server.client(decode_responses=False) as client:
        for n in range(0, 20000, 1000):
            warm(client, *(f"item:{i}" for i in range(n, n + 1000)))
        members = [f"page:{n}" for n in range(5000)]
        warm(client, *members)
        client.sadd("tag:7", *members)
        client.slowlog_reset()
        touch(database)
        forget_everything(database)
        assert client.dbsize() == 0
        slices = {}
        for entry in client.slowlog_get(100000):
            words = entry["command"].split(b" ")
            slices.setdefault(words[0].decode(), []).append(
                (entry["duration"], words))
    counts = [int(words[5]) for _, words in slices["SCAN"]]
    drains = [int(words[5]) for _, words in slices["EVALSHA"]
              if words[3].startswith(b"pgripple:drain:")]
    assert max(counts) <= 200 and sum(counts) >= 20000
    assert max(drains) <= 100 and sum(drains) >= 5000
    for name in ("SCAN", "EVALSHA", "UNLINK"):
        durations = sorted(us for us, _ in slices[name])
        assert durations[len(durations) // 2] < 1000, name


# ---- what Redis refuses ----

@pytest.fixture
def guarded(make_redis):
    """A Redis whose default user may touch few keys; the client may all."""
    server = make_redis()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "root", "on", ">secret",
                               "~*", "&*", "+@all")
        client.execute_command(
            "ACL", "SETUSER", "default", "resetkeys", "resetchannels",
            "~item:*", "~tag:*", "~pgripple:*")
    server.root = server.client(username="root", password="secret")
    yield server
    server.root.close()


def rejected(database):
    with database.own.cursor() as cursor:
        cursor.execute("SELECT coalesce(change->>'table', change->>'op'),"
                       " reason FROM pgripple.rejected ORDER BY id")
        return cursor.fetchall()


def test_a_key_that_is_refused_for_good_holds_nobody_up(
        start, guarded, cli):
    database, daemon = start(
        ['"item:{id}"', '{ key: "no:{shop}", where: { id: [1] } }',
         '{ publish: "shut", message: "{id}", where: { id: [3] } }'],
        redis_url=guarded.url)
    warm(guarded.root, "item:1", "item:2", "item:3", "no:7", "no:8")
    database.execute("UPDATE item SET shop = shop + 1")
    wait_quiet(database)
    assert sorted(guarded.root.keys()) == ["no:7", "no:8"]
    (table, reason), = rejected(database)       # one statement, one change
    assert table == "public.item"
    assert "UNLINK" in reason and '"no:7"' in reason and "NOPERM" in reason
    assert daemon.wait_for_event("change.rejected")["error"] == reason

    # Changes after it go on; once the cause is gone it is done again.
    touch(database, 2)
    assert len(rejected(database)) == 1
    guarded.root.execute_command("ACL", "SETUSER", "default", "allkeys",
                                 "allchannels")
    done = cli("rejected", "retry", "-c", daemon.config.path)
    assert done.status == 0, done.stderr
    wait_quiet(database)
    assert guarded.root.keys() == [] and rejected(database) == []


def test_a_refused_key_may_be_any_text(start, guarded):
    database, _ = start(['{ key: "no:{slug}" }', '{ tag: "tag:{id}" }'],
                        redis_url=guarded.url)
    guarded.root.sadd("tag:1", b"no:\xff\xfe")
    database.execute("UPDATE item SET slug = %s WHERE id = 1",
                     "\u00e9" * 300 + "\n\"")
    wait_quiet(database)
    (_, reason), = rejected(database)
    # As the server's version puts it.
    assert any(text in reason for text in (
        "NOPERM", "can't access", "No permissions to access a key"))


def test_changes_beside_a_refused_one_are_not_rejected(start, guarded):
    database, daemon = start(
        ['"item:{id}"', '{ version: "item:v", where: { id: [1] } }',
         '{ publish: "shut", message: "{id}", where: { id: [3] } }'],
        redis_url=guarded.url)
    guarded.root.rpush("item:v", "no number")
    warm(guarded.root, "item:2")
    with database.connect(autocommit=False) as session:
        with session.cursor() as cursor:
            for number in (1, 2, 3):
                cursor.execute("UPDATE item SET shop = 0 WHERE id = %s",
                               (number,))
    wait_quiet(database)
    reasons = [reason for _, reason in rejected(database)]
    assert len(reasons) == 2
    assert "WRONGTYPE" in reasons[0] and "channel" in reasons[1]
    assert guarded.root.keys() == ["item:v"]
    guarded.root.delete("item:v")


def test_a_task_that_is_refused_holds_no_other_up(start, guarded, cli):
    database, daemon = start(
        ['"item:{id}"'],
        model='    whole_model: ["no:*", "item:*"]\n', redis_url=guarded.url)
    warm(guarded.root, "no:1", "item:1")
    forget_everything(database)
    assert guarded.root.keys() == ["no:1"]
    (what, reason), = rejected(database)
    assert what == "task" and '"no:1"' in reason and "NOPERM" in reason
    assert daemon.wait_for_event("task.rejected")["key"] == "no:*"

    guarded.root.execute_command("ACL", "SETUSER", "default", "allkeys")
    assert cli("rejected", "retry", "-c", daemon.config.path).status == 0
    wait_quiet(database)
    assert guarded.root.keys() == [] and rejected(database) == []


def test_members_of_a_large_tag_that_are_refused_are_tried_again(
        start, guarded, cli):
    """By the name of the task; and at once, not at the next poll."""
    database, daemon = start(
        ['{ tag: "tag:{shop}" }'], redis_url=guarded.url,
        limits={"tag_members": 10}, postgres={"poll_interval": "1h"})
    members = [*(f"item:{n}" for n in range(95)), "no:1", "no:2"]
    guarded.root.sadd("tag:7", *members)
    warm(guarded.root, *members)
    touch(database)
    assert guarded.root.keys("item:*") == [] and guarded.root.exists(
        "no:1", "no:2") == 2 and not guarded.root.exists("tag:7")
    number, reason = database.execute(
        "SELECT id, reason FROM pgripple.rejected")[0]
    assert '"pgripple:drain:tag:7"' in reason and "no:" in reason
    again = cli("rejected", "retry", number, "-c", daemon.config.path)
    assert again.status == 0, again.stderr
    wait_quiet(database)                            # refused again
    (_, reason), = rejected(database)
    assert guarded.root.exists("no:1", "no:2") == 2

    guarded.root.execute_command("ACL", "SETUSER", "default", "allkeys")
    assert cli("rejected", "retry", "-c", daemon.config.path).status == 0
    wait_quiet(database)
    assert guarded.root.keys() == [] and rejected(database) == []


def deny_command(client):
    client.execute_command("ACL", "SETUSER", "default", "-unlink")
    return lambda: client.execute_command("ACL", "SETUSER", "default",
                                          "+unlink")


def demand_replicas(client):
    client.config_set("min-replicas-to-write", 1)
    return lambda: client.config_set("min-replicas-to-write", 0)


def be_full(client):
    client.config_set("maxmemory", 1)
    return lambda: client.config_set("maxmemory", 0)


def be_a_replica(client):
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: client.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("make, word", [
    (deny_command, "NOPERM"), (demand_replicas, "NOREPLICAS"),
    (be_full, "OOM"), (be_a_replica, "")])
def test_what_passes_is_waited_for(start, make_redis, make, word):
    server = make_redis()
    database, daemon = start(['"item:{id}"', '{ stream: "log" }'],
                             redis_url=server.url, retry_max="300ms")
    with server.client() as client:
        warm(client, "item:1")
        mend = make(client)
        mark = daemon.mark()
        database.execute("UPDATE item SET shop = 0 WHERE id = 1")
        line = daemon.wait_for_event("batch.failed" if word else
                                     "redis.down", after=mark)
        assert word in line["error"]
        assert database.changes()
        mend()
        wait_quiet(database)
        assert not client.exists("item:1") and client.xlen("log") > 0
        assert rejected(database) == []


def test_a_script_that_keeps_redis_busy_is_waited_for(start, make_redis):
    server = make_redis(busy_reply_threshold=50)
    database, daemon = start(['"item:{id}"'], redis_url=server.url,
                             retry_max="300ms")
    with server.client() as client, server.client() as busy:
        warm(client, "item:1")
        busy.connection_pool.get_connection("EVAL").send_command(
            "EVAL", "while true do end", 0)
        mark = daemon.mark()
        database.execute("UPDATE item SET shop = 0 WHERE id = 1")
        line = daemon.wait_for_event("batch.failed", after=mark)
        assert "BUSY" in line["error"]
        client.execute_command("SCRIPT", "KILL")
        wait_quiet(database)
        assert not client.exists("item:1")


def test_a_failing_disk_of_redis_is_waited_for(start, make_redis):
    server = make_redis(dbfilename="dump.rdb")
    database, daemon = start(['"item:{id}"'], redis_url=server.url,
                             retry_max="300ms")
    folder = os.path.join(server.folder, "dump.rdb")
    with server.client() as client:
        warm(client, "item:1")
        os.mkdir(folder)                    # where the file has to go
        client.config_set("save", "1 1")
        warm(client, "other")

        def is_refused():
            try:
                client.set("other", 1)
                return False
            except redis.ResponseError as error:
                return "MISCONF" in str(error)

        wait_until(is_refused, 30, "MISCONF")
        mark = daemon.mark()
        database.execute("UPDATE item SET shop = 0 WHERE id = 1")
        line = daemon.wait_for_event("batch.failed", after=mark)
        assert "MISCONF" in line["error"]
        client.config_set("save", "")
        client.config_set("stop-writes-on-bgsave-error", "no")
        wait_quiet(database)
        assert not client.exists("item:1")
