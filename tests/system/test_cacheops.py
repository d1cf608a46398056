"""The rule "cacheops": which columns are captured, and what goes from Redis,
with cacheops itself as the reader and by keys as it writes them."""

import os
import subprocess
import sys

import pytest

from harness.daemon import run_cli
from harness.flow import install, wait_quiet
from harness.wait import wait_until

SCHEMA = """
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE app_tournament (id integer PRIMARY KEY, name varchar(20));
    CREATE TABLE app_team (id integer PRIMARY KEY, name varchar(20) NOT NULL,
        tournament_id integer REFERENCES app_tournament, own integer,
        mood mood, notes text, extra jsonb);
    CREATE TABLE app_draft (id integer PRIMARY KEY, style varchar(20),
        tournament_id integer UNIQUE REFERENCES app_tournament);
    INSERT INTO app_tournament VALUES (1, 'one'), (2, 'two');
    INSERT INTO app_team VALUES (1, 'red', 1, 7, 'glad', 'n', '{}'),
        (2, 'blue', 2, 7, 'sad', 'n', '{}'), (3, 'none', NULL, 8, NULL, 'n', '{}');
    """

GRAPH = """\
    models:
      tournament:
        table: app_tournament
        invalidate: [cacheops: {}]
      team:
        table: app_team
        invalidate:
          - cacheops: { columns: { own: owner } }
      draft:
        table: app_draft
        invalidate:
          - cacheops: { joins: [id, tournament_id] }
    relations:
      - team.tournament_id -> tournament.id
    """

# A reader in a process of its own, as Django's settings are a process's.
READER = """
import io, os, sys, django
from django.conf import settings
from django.db import connection, models, transaction
name, host, port, redis_url = sys.argv[1:]
settings.configure(
    INSTALLED_APPS=["cacheops"], USE_TZ=True, CACHEOPS_REDIS=redis_url,
    CACHEOPS_INSIDEOUT="SITE_INSIDEOUT" in os.environ,
    CACHEOPS={"cacheops.*": {"ops": "all", "timeout": 600}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql",
        "NAME": name, "HOST": host, "PORT": port, "USER": "postgres"}})
django.setup()

class Tournament(models.Model):
    name = models.CharField(max_length=20, null=True)
    class Meta: app_label, db_table = "cacheops", "app_tournament"

class Team(models.Model):
    name = models.CharField(max_length=20)
    owner = models.IntegerField(db_column="own", null=True)
    tournament = models.ForeignKey(Tournament, models.CASCADE, null=True)
    class Meta: app_label, db_table = "cacheops", "app_team"

class Draft(models.Model):
    style = models.CharField(max_length=20)
    tournament = models.OneToOneField(Tournament, models.CASCADE, null=True)
    class Meta: app_label, db_table = "cacheops", "app_draft"

def drafted(tournament):
    return Tournament.objects.filter(pk=tournament).select_related("draft")

def shown(row):
    draft = row.__dict__["_state"].fields_cache.get("draft")
    return row.name if draft is None else f"{row.name}/{draft.style}"

QUERIES = {
    "of_one": lambda: Team.objects.filter(tournament=1),
    "of_two": lambda: Team.objects.filter(tournament=2),
    "of_none": lambda: Team.objects.filter(tournament=None),
    "named": lambda: Team.objects.filter(name="red"),
    "owned": lambda: Team.objects.filter(owner=7),
    "tournament_1": lambda: Tournament.objects.filter(pk=1),
    "tournament_2": lambda: Tournament.objects.filter(pk=2),
    "empty": lambda: Tournament.objects.filter(team__isnull=True),
    "drafted_1": lambda: drafted(1),
    "drafted_2": lambda: drafted(2),
    "undrafted": lambda: Tournament.objects.filter(draft__isnull=True),
}

def copy():
    with connection.cursor() as cursor:
        cursor.copy_expert("COPY app_team (id, name, tournament_id)"
                           " FROM STDIN", io.StringIO("9\\tpink\\t1\\n"))

def truncate():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE app_team")

WRITES = {"copy": copy, "truncate": truncate}
print("ready", flush=True)
for line in sys.stdin:
    queries, asked = 0, line.strip()
    if asked in WRITES:
        WRITES[asked]()
        print(1, flush=True)
        continue
    def count(execute, sql, params, many, context):
        global queries
        queries += 1
        return execute(sql, params, many, context)
    with connection.execute_wrapper(count):
        names = sorted(shown(row) for row in QUERIES[asked]())
    print(queries, *names, flush=True)
"""


class Reader:
    """Asks a query of cacheops; says whether it came from the cache."""

    def __init__(self, database, redis_url):
        host, port = (database.connect().get_dsn_parameters()[key]
                      for key in ("host", "port"))
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", READER, database.name, host,
             port, redis_url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONHASHSEED": "1"})
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, query):
        self.process.stdin.write(query + "\n")
        self.process.stdin.flush()
        n_queries, *names = self.process.stdout.readline().split()
        return names, n_queries == "0"

    def names(self, query):
        return self.ask(query)[0]

    def warm(self):
        for query in ("of_one", "of_two", "of_none", "named", "owned",
                      "tournament_1", "tournament_2", "empty"):
            self.ask(query)
            assert self.ask(query)[1], query

    def cached(self):
        """Which are still in the cache, and fills it again."""
        return {query for query in (
            "of_one", "of_two", "of_none", "named", "owned", "tournament_1",
            "tournament_2", "empty") if self.ask(query)[1]}

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0


@pytest.fixture
def at_work(database, redis_server, cache, make_config, make_daemon):
    """The daemon and a reader whose caches are warm."""
    database.execute(SCHEMA)
    config = make_config(database.conninfo(), redis_server.url, GRAPH)
    install(config)
    daemon = make_daemon(config)
    reader = Reader(database, redis_server.url)
    reader.warm()
    yield database, reader, config, daemon
    reader.stop()


def test_raw_sql_leaves_nothing_stale_and_the_rest_cached(at_work):
    database, reader, _, daemon = at_work
    daemon.pause()
    database.execute("UPDATE app_team SET name = 'green' WHERE id = 1")
    assert reader.names("of_one") == ["red"]            # so the test can fail
    daemon.resume()
    wait_quiet(database)
    assert reader.names("of_one") == ["green"]
    assert reader.cached() == {"of_one", "of_two", "of_none", "tournament_2"}
    assert reader.names("owned") == ["blue", "green"]
    assert reader.names("named") == []


def test_a_row_that_moves_leaves_both_places(at_work):
    database, reader, _, _ = at_work
    database.execute("UPDATE app_team SET tournament_id = 2 WHERE id = 1")
    wait_quiet(database)
    assert reader.names("of_one") == []
    assert reader.names("of_two") == ["blue", "red"]
    assert reader.names("empty") == ["one"]
    database.execute("UPDATE app_team SET tournament_id = NULL WHERE id = 2")
    wait_quiet(database)
    assert reader.names("of_none") == ["blue", "none"]
    assert reader.names("of_two") == ["red"]


def test_copy_and_truncate_by_django_count(at_work):
    """A row of COPY is one like others; TRUNCATE is invalidate_model()."""
    database, reader, _, _ = at_work
    reader.ask("copy")
    wait_quiet(database)
    assert reader.names("of_one") == ["pink", "red"]
    assert {"of_two", "of_none", "named", "tournament_2"} <= reader.cached()
    reader.ask("truncate")
    wait_quiet(database)
    assert reader.names("of_one") == reader.names("owned") == []
    assert reader.names("empty") == ["one", "two"]


def test_what_was_rolled_back_removes_nothing(at_work):
    database, reader, _, _ = at_work
    database.execute(
        "BEGIN; UPDATE app_team SET name = 'green' WHERE id = 1; ROLLBACK;"
        "UPDATE app_team SET name = 'cyan' WHERE id = 2")
    wait_quiet(database)
    assert {"of_one", "named", "tournament_1"} <= reader.cached()
    assert reader.names("of_two") == ["cyan"]


DRAFTED = ("drafted_1", "drafted_2", "undrafted")


def test_the_other_side_of_a_one_to_one_field_follows(at_work):
    """Without a relation, as cacheops does it when the field gets a value."""
    database, reader, _, _ = at_work

    def look(sql):
        for query in DRAFTED:
            reader.ask(query)
        database.execute(sql)
        wait_quiet(database)
        cached = {query for query in (*DRAFTED, "tournament_2", "of_one")
                  if reader.ask(query)[1]}
        return [" ".join(reader.names(query)) for query in DRAFTED], cached

    assert look("INSERT INTO app_draft VALUES (1, 'snake', 1)") == (
        ["one/snake", "two", "two"], {"drafted_2", "tournament_2", "of_one"})
    # Not when another one does: cacheops records no dependency on it.
    assert look("UPDATE app_draft SET style = 'auction'") == (
        ["one/snake", "two", "two"], {*DRAFTED, "tournament_2", "of_one"})
    assert look("UPDATE app_draft SET tournament_id = 2") == (
        ["one", "two/auction", "one"], {"of_one"})
    assert look("UPDATE app_draft SET tournament_id = NULL") == (
        ["one", "two", "one two"], {"drafted_1", "of_one"})
    assert look("UPDATE app_draft SET tournament_id = 1; DELETE FROM app_draft"
                ) == (["one", "two", "one two"],
                      {"drafted_2", "tournament_2", "of_one"})
    database.execute("INSERT INTO app_draft VALUES (2, 'snake', 2)")
    wait_quiet(database)
    assert look("TRUNCATE app_draft")[0] == ["one", "two", "one two"]


def captured(database):
    return database.value(
        "SELECT columns FROM pgripple.watched()"
        " WHERE table_name = 'public.app_team'")


def test_a_script_that_was_made_offline_captures_the_same(
        database, make_config):
    database.execute(SCHEMA)
    config = make_config("host=/nowhere", "redis://127.0.0.1:1/0", GRAPH)
    done = run_cli("sql", "-c", config.path)
    assert done.status == 0, done.stdout + done.stderr
    psql = subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d",
                           database.conninfo()], input=done.stdout,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    assert psql.returncode == 0, psql.stdout
    assert captured(database) == [
        "own", "tournament_id", "id", "name", "mood"]


def test_captured_are_the_columns_that_cacheops_can_name(at_work):
    database, reader, config, daemon = at_work
    assert captured(database) == [
        "own", "tournament_id", "id", "name", "mood"]
    # One that a migration adds is any value, until the next install.
    database.execute("ALTER TABLE app_team ADD COLUMN level integer DEFAULT 1")
    done = run_cli("check", "-c", config.path)
    assert "app_team: columns changed since install" in done.stdout
    install(config)
    done = run_cli("check", "-c", config.path)
    assert done.status == 0, done.stdout
    assert "level" in captured(database)
    # Nor is one that it drops a fault of the graph.
    database.execute("ALTER TABLE app_team DROP COLUMN mood")
    install(config)
    database.execute("UPDATE app_team SET name = 'green' WHERE id = 1")
    wait_quiet(database)
    assert reader.names("of_one") == ["green"]
    assert daemon.is_running()


def test_a_field_whose_value_is_not_known_is_any(at_work, cache):
    database, reader, _, _ = at_work
    cache.sadd("schemes:app_team", "name,notes", "extra")
    cache.sadd("conj:app_team:name=red&notes=n", "q:notes")
    cache.sadd("conj:app_team:name=red&notes=m", "q:other_notes")
    cache.sadd("conj:app_team:name=blue&notes=n", "q:blue")
    cache.set("conj:app_team:extra=x", "stamp")
    cache.mset({"q:notes": 1, "q:other_notes": 1, "q:blue": 1})
    database.execute("UPDATE app_team SET notes = 'm' WHERE id = 1")
    wait_quiet(database)
    assert cache.mget("q:notes", "q:other_notes", "q:blue") == [
        None, None, "1"]
    assert not cache.exists("conj:app_team:extra=x")
    assert reader.names("of_one") == ["red"]


def test_check_tells_what_nobody_named(at_work, cache):
    _, _, config, _ = at_work
    done = run_cli("check", "-c", config.path)
    assert done.status == 0, done.stdout
    assert "warning" not in done.stdout, done.stdout
    cache.sadd("schemes:app_game", "id")
    cache.sadd("api:schemes:app_team", "id")
    cache.sadd("schemes:app_team", "name,notes")
    done = run_cli("check", "-c", config.path)
    assert done.status == 0, done.stdout
    assert ('cacheops keeps queries of table "app_game", which is in no rule'
            ' "cacheops"') in done.stdout
    assert ('model "team": cacheops keeps queries under the prefix "api:",'
            ' which the rule does not name') in done.stdout
    assert ('model "team": cacheops keeps queries by "notes", whose values'
            ' cannot be told') in done.stdout
    done = run_cli("check", "--offline", "-c", config.path)
    assert ('table public.app_team: rule "cacheops" takes all its columns from'
            ' the database') in done.stdout


def test_a_late_fill_is_removed_by_the_repeat(
        database, redis_server, cache, make_config, make_daemon):
    """What a reader read before the commit and stores after the first strike:
    all that cacheops has for a query, as it was, put back."""
    database.execute(SCHEMA)
    config = make_config(database.conninfo(), redis_server.url, GRAPH.replace(
        "cacheops: { columns: { own: owner } }",
        "{ cacheops: { columns: { own: owner } }, repeat_after: 3s }"))
    install(config)
    make_daemon(config)
    reader = Reader(database, redis_server.url)
    reader.warm()
    with redis_server.client(decode_responses=False) as client:
        stored = {key: client.dump(key) for key in client.keys()}
        database.execute("UPDATE app_team SET name = 'green' WHERE id = 1")
        wait_until(lambda: not database.changes(), what="the first strike")
        assert reader.names("of_one") == ["green"]
        for key, value in stored.items():
            client.restore(key, 0, value, replace=True)
        assert reader.names("of_one") == ["red"]    # so the test can fail
    wait_quiet(database)
    assert reader.names("of_one") == ["green"]
    assert reader.ask("of_two") == (["blue"], True)
    reader.stop()


def test_a_repeat_comes_to_its_end_with_any_value_too(
        database, redis_server, cache, make_config, make_daemon):
    """What the first strike left to scans, and what readers put back."""
    database.execute(SCHEMA)
    config = make_config(database.conninfo(), redis_server.url, GRAPH.replace(
        "          - cacheops: { columns: { own: owner } }",
        "          - { cacheops: {}, repeat_after: 300ms }\n"
        "          - { publish: done, message: '{id}', repeat_after: 300ms }"),
        {"limits": {"tag_members": 10}})
    install(config)
    make_daemon(config)
    heard = cache.pubsub(ignore_subscribe_messages=True)
    heard.subscribe("done")

    def read():
        cache.sadd("schemes:app_team", "id", "notes")
        for scheme in ("id=1", "notes=n"):
            cache.sadd(f"conj:app_team:{scheme}", f"q:{scheme}",
                       *(f"q:{scheme}:{n}" for n in range(30)))
            cache.mset({f"q:{scheme}": 1, f"q:{scheme}:7": 1})

    def is_gone():
        return not cache.keys("q:*") and not cache.keys("*conj:*")

    def messages():
        return heard.get_message(timeout=0.01) is not None

    read()
    database.execute("UPDATE app_team SET notes = 'm' WHERE id = 1")
    wait_until(is_gone, 30, "the first strike")
    wait_until(messages, 30, "the message of the change")
    read()
    wait_until(is_gone, 30, "the repeat")
    wait_until(messages, 30, "the message of the repeat")
    wait_quiet(database)


def test_a_repeat_that_leaves_a_long_scan_delays_no_other(
        database, redis_server, cache, make_config, make_daemon):
    database.execute(SCHEMA)
    config = make_config(database.conninfo(), redis_server.url, GRAPH.replace(
        "[cacheops: {}]", "[{ cacheops: {}, repeat_after: 300ms }]").replace(
        "          - cacheops: { columns: { own: owner } }",
        "          - { cacheops: {}, repeat_after: 300ms }\n"
        "          - { publish: done, message: '{id}', repeat_after: 300ms }"),
        {"tasks": {"spread": "60s"}})
    install(config)
    make_daemon(config)
    heard = cache.pubsub(ignore_subscribe_messages=True)
    heard.subscribe("done")
    cache.sadd("schemes:app_team", "notes")
    cache.sadd("schemes:app_tournament", "name")
    cache.mset({f"other:{n}": 1 for n in range(30000)})
    database.execute("UPDATE app_team SET notes = 'm' WHERE id = 1")
    for what in "the change", "the repeat":
        wait_until(lambda: heard.get_message(timeout=0.01), 15, what)
    key = "conj:app_tournament:name=one"
    cache.set(key, "stamp")
    database.execute("UPDATE app_tournament SET name = 'x'")
    wait_until(lambda: not cache.exists(key), 15, "the other change")
    cache.set(key, "stamp")
    wait_until(lambda: not cache.exists(key), 15, "the other repeat")
    assert database.value(
        "SELECT count(*) FROM pgripple.task"
        " WHERE operation->>'pattern' = 'conj:app_team:notes=*'") > 0
