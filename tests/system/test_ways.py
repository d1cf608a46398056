"""However rows are written, and whatever is done to their table meanwhile, no
key is stale in the end: the daemon runs all the while."""

import pytest

from harness.daemon import run_cli
from harness.flow import install, wait_quiet
from harness.mirror import Mirror, Writers
from harness.wait import wait_until

pytestmark = pytest.mark.once

GRAPH = """\
models:
  event:
    table: event
    invalidate: ["event:{id}", "named:{name}"]
"""

EVENTS = """
    CREATE TABLE event (id int PRIMARY KEY, name text, hits int DEFAULT 0)
        PARTITION BY RANGE (id);
    CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (100);
    CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (100) TO (200);
    INSERT INTO event SELECT n, 'n' || n % 5
        FROM generate_series(1, 20) n UNION ALL
        SELECT n, 'n' || n % 5 FROM generate_series(101, 120) n"""

ITEMS = """
    CREATE TABLE event (id int PRIMARY KEY, name text, hits int DEFAULT 0);
    INSERT INTO event SELECT n, 'n' || n % 5
        FROM generate_series(1, 20) n"""

TRUTH = """
    SELECT 'event:' || id, to_jsonb(event)::text FROM event
    UNION ALL
    SELECT 'named:' || name, string_agg(id::text, ',' ORDER BY id)
    FROM event GROUP BY name"""

KEYS = [f"event:{n}" for n in (*range(1, 25), *range(101, 125),
                               *range(201, 205))
        ] + [f"named:n{n}" for n in range(6)]


class Site:
    """A database with a running daemon that looks often, and a warm cache."""

    def __init__(self, database, cache, config, make_daemon):
        self.database = database
        self.config = config
        install(config)
        self.daemon = make_daemon(config)
        wait_quiet(database)
        self.mirror = Mirror(cache, database, TRUTH, KEYS)
        self.mirror.fill()

    def execute(self, sql):
        return self.database.execute(sql)

    def wait_fresh(self):
        """Wait until all is applied and looked at, and nothing is stale."""
        wait_quiet(self.database)
        wait_until(lambda: not self.mirror.stale(), 30,
                   f"no stale key of {self.mirror.stale()[:3]}")

    def look_and_refill(self, writers):
        """While the writers pause: nothing is stale, and all keys are warm."""
        with writers.held():
            self.wait_fresh()
            self.mirror.fill()

    def is_touched(self):
        return self.mirror.gone() == set(KEYS)


@pytest.fixture
def make_site(database, cache, redis_server, make_config, make_daemon):
    """make_site(tables): a Site on these tables."""
    def make(tables, graph=GRAPH):
        database.execute(tables)
        return Site(database, cache, make_config(
            database.conninfo(), redis_server.url, graph,
            {"postgres": {"coverage_interval": "200ms"}}), make_daemon)
    return make


@pytest.fixture
def events(make_site):
    return make_site(EVENTS)


@pytest.fixture
def items(make_site):
    return make_site(ITEMS)


# ---- partitions ----

@pytest.mark.parametrize("sql, n_gone", [
    ("UPDATE event_1 SET name = 'n5' WHERE id = 3", 3),
    ("UPDATE event SET id = 150 WHERE id = 3", 2),
    ("TRUNCATE event_2", len(KEYS)),
    ("ALTER TABLE event DETACH PARTITION event_2", len(KEYS)),
    ("ALTER TABLE event DETACH PARTITION event_2; UPDATE event_2 SET hits = 1",
     len(KEYS)),
    ("DROP TABLE event_2", len(KEYS)),
    ("CREATE TABLE event_3 (LIKE event INCLUDING ALL);"
     "INSERT INTO event_3 VALUES (201, 'n1'), (202, 'n2'); ALTER TABLE event "
     "ATTACH PARTITION event_3 FOR VALUES FROM (200) TO (300)", len(KEYS)),
    ("CREATE TABLE event_3 PARTITION OF event FOR VALUES FROM (200) TO (300);"
     "INSERT INTO event VALUES (201, 'n1')", len(KEYS)),
], ids=["update", "move", "truncate", "detach", "detach-write", "drop",
        "attach", "create"])
def test_no_key_is_stale_after_a_partition_was(events, sql, n_gone):
    mark = events.daemon.mark()
    assert events.mirror.gone() == set()
    events.execute(sql)
    wait_until(lambda: len(events.mirror.gone() - {"event:150"}) >= n_gone, 30,
               "keys to go")
    events.wait_fresh()
    if n_gone < len(KEYS):
        assert len(events.mirror.gone()) == n_gone
        assert events.daemon.events("capture.gap_opened", after=mark) == []


def test_a_partition_made_later_is_a_gap_that_install_closes(events):
    events.execute("CREATE TABLE event_3 PARTITION OF event "
                   "FOR VALUES FROM (200) TO (300)")
    opened = events.daemon.wait_for_event("capture.gap_opened")
    assert 'on "public.event_3" is missing' in opened["error"]
    wait_until(events.is_touched, 30, "the model to be touched")
    wait_quiet(events.database)
    events.mirror.fill()
    events.execute("INSERT INTO event_3 VALUES (201, 'n1')")
    events.wait_fresh()
    assert events.mirror.gone() == {"event:201", "named:n1"}
    # What the missing trigger would have told the next look does.
    events.execute("TRUNCATE event_3")
    wait_until(events.is_touched, 30, "the model to be touched")
    wait_quiet(events.database)
    events.mirror.fill()
    mark = events.daemon.mark()
    install(events.config)
    events.daemon.wait_for_event("capture.gap_closed", after=mark)
    wait_until(events.is_touched, 30, "the model to be touched")
    wait_quiet(events.database)
    events.mirror.fill()
    events.execute("INSERT INTO event_3 VALUES (202, 'n2')")
    events.wait_fresh()
    assert events.mirror.gone() == {"event:202", "named:n2"}
    mark = events.daemon.mark()
    events.execute("TRUNCATE event_3")
    events.daemon.wait_for_event("change.applied", after=mark)
    events.wait_fresh()


def test_a_table_that_is_a_model_can_be_attached_to_another(make_site):
    site = make_site(EVENTS + """;
        CREATE TABLE lone (id int NOT NULL, name text, hits int DEFAULT 0)
            PARTITION BY LIST (id);
        CREATE TABLE lone_rest PARTITION OF lone DEFAULT;
        INSERT INTO lone VALUES (201, 'n1')""", GRAPH + """\
  lone:
    table: lone
    invalidate: ["lone:{id}"]
""")
    site.execute("ALTER TABLE event ATTACH PARTITION lone "
                 "FOR VALUES FROM (200) TO (300);"
                 "UPDATE lone SET name = 'n2'")
    site.daemon.wait_for_event("capture.gap_opened", table="public.event")
    mark = site.daemon.mark()
    install(site.config)
    site.daemon.wait_for_event("capture.gap_closed", after=mark,
                               table="public.event")
    site.wait_fresh()
    site.mirror.fill()
    site.mirror.cache.mset({"lone:201": "x", "lone:202": "x"})
    site.execute("UPDATE event SET name = 'n3' WHERE id = 201")
    site.wait_fresh()
    assert site.mirror.gone() == {"event:201", "named:n2", "named:n3"}
    assert site.mirror.cache.mget("lone:201", "lone:202") == [None, "x"]
    done = run_cli("check", "-c", site.config.path)
    assert done.status == 0, done.stdout + done.stderr


# ---- gaps, found by the daemon's timer ----

@pytest.mark.parametrize("damage, said", [
    ("DROP TRIGGER pgripple_update ON event",
     'trigger "pgripple_update" is missing'),
    ("ALTER TABLE event DISABLE TRIGGER pgripple_update",
     'trigger "pgripple_update" is disabled'),
    ("ALTER TABLE event DISABLE TRIGGER USER",
     'trigger "pgripple_insert" is disabled'),
    ("CREATE OR REPLACE FUNCTION pgripple.\"public.event\"() RETURNS trigger "
     "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
     "capture function is not what watch() made"),
    ("DROP FUNCTION pgripple.\"public.event\"() CASCADE",
     "capture function is missing"),
], ids=["drop", "disable", "disable-all", "replace", "drop-function"])
def test_a_gap_is_found_while_the_daemon_runs(items, damage, said):
    items.execute(damage)
    opened = items.daemon.wait_for_event("capture.gap_opened")
    assert (opened["table"], opened["error"]) == ("public.event", said)
    wait_until(items.is_touched, 30, "the model to be touched")
    wait_quiet(items.database)
    items.mirror.fill()
    items.execute("UPDATE event SET name = 'n5'")
    assert items.mirror.stale() != []
    install(items.config)
    items.daemon.wait_for_event("capture.gap_closed", table="public.event")
    items.wait_fresh()
    items.mirror.fill()
    items.execute("UPDATE event SET name = 'n4' WHERE id = 1")
    items.wait_fresh()
    assert items.mirror.gone() == {"event:1", "named:n4", "named:n5"}


# ---- migrations under writers ----

def writes(columns, tables=("event",)):
    """Statements of all kinds, with each name that column or table may have."""
    def statements(number):
        row = 1 + number % 22
        for table in tables:
            for column in columns:
                yield (f"UPDATE {table} SET {column} = 'n{number % 6}', "
                       f"hits = {number} WHERE id = {row}",
                       f"UPDATE {table} SET {column} = 'n{number % 6}' "
                       f"WHERE id IN ({row}, {row + 1})",
                       f"DELETE FROM {table} WHERE id = {row}",
                       f"INSERT INTO {table} (id, {column}) "
                       f"VALUES ({row}, 'n{number % 6}') ON CONFLICT (id) "
                       "DO UPDATE SET hits = excluded.id")[number % 4]
            yield f"UPDATE {table} SET hits = {number} WHERE id = {row}"
    return statements


ROW_TRUTH = "SELECT 'event:' || id, to_jsonb(event)::text FROM event"


MIGRATIONS = {
    "rename": ("ALTER TABLE event RENAME name TO title",
               GRAPH.replace("{name}", "{title}"),
               TRUTH.replace("' || name", "' || title")
               .replace("BY name", "BY title")),
    "drop": ("ALTER TABLE event DROP name",
             GRAPH.replace(', "named:{name}"', ""), ROW_TRUTH),
    "retype": ("ALTER TABLE event ALTER name TYPE varchar(40) "
               "USING name || ''", GRAPH, TRUTH),
    "retype-key": ("ALTER TABLE event ALTER id TYPE bigint", GRAPH, TRUTH),
    "add": ("ALTER TABLE event ADD motto text DEFAULT 'x'", GRAPH, TRUTH),
}


@pytest.mark.parametrize("name, tables", [
    pytest.param(name, tables, id=f"{name}-{kind}")
    for name in MIGRATIONS
    for kind, tables in (("statements", ITEMS), ("rows", EVENTS))
    # The server does not retype what a table is partitioned by.
    if (name, kind) != ("retype-key", "rows")])
def test_no_key_is_stale_after_a_migration_under_writers(
        make_site, name, tables):
    migration, graph, truth = MIGRATIONS[name]
    site = make_site(tables)
    with Writers(site.database, writes(["name", "title"])) as writers:
        wait_until(writers.have_written(), 30, "writers")
        site.look_and_refill(writers)
        mark = site.daemon.mark()
        site.execute(migration)
        wait_until(writers.have_written(), 30, "writers after the migration")
        site.daemon.wait_for_event("change.drift", after=mark,
                                   table="public.event")
        site.mirror.sql = truth
        site.look_and_refill(writers)
        wait_until(writers.have_written(), 30, "writers during the drift")
        site.config.write_graph(graph)
        install(site.config)
        site.daemon.reload()
        site.daemon.wait_for_event("reload.done", after=mark)
        site.look_and_refill(writers)
        wait_until(writers.have_written(), 30, "writers after install")
    assert writers.failures == []
    site.wait_fresh()
    mark = site.daemon.mark()
    site.mirror.fill()
    site.execute("UPDATE event SET hits = -1 WHERE id IN "
                 "(SELECT min(id) FROM event)")
    site.wait_fresh()
    assert len(site.mirror.gone()) in (1, 2)
    assert site.daemon.events("change.drift", after=mark) == []


def test_no_key_is_stale_after_a_table_was_renamed_under_writers(items):
    with Writers(items.database,
                 writes(["name"], ("event", "happening"))) as writers:
        wait_until(writers.have_written(), 30, "writers")
        items.look_and_refill(writers)
        items.execute("ALTER TABLE event RENAME TO happening")
        items.mirror.sql = TRUTH.replace("FROM event", "FROM happening AS event")
        wait_until(writers.have_written(), 30, "writers after the renaming")
        items.look_and_refill(writers)
        wait_until(writers.have_written(), 30, "writers under another name")
        items.config.write_graph(GRAPH.replace("table: event",
                                               "table: happening"))
        install(items.config)
        mark = items.daemon.mark()
        items.daemon.reload()
        items.daemon.wait_for_event("reload.done", after=mark)
        items.look_and_refill(writers)
        wait_until(writers.have_written(), 30, "writers after install")
    assert writers.failures == []
    items.wait_fresh()
    assert items.execute("SELECT table_name, problem "
                         "FROM pgripple.watched()") == [
        ("public.happening", None)]


@pytest.mark.parametrize("migration, said", [
    ("DROP TABLE event; " + ITEMS, "table is gone"),
    ("CREATE TABLE fresh (LIKE event INCLUDING ALL);"
     "INSERT INTO fresh SELECT * FROM event;"
     "ALTER TABLE event RENAME TO event_old;"
     "ALTER TABLE fresh RENAME TO event",
     'another table has its name, it is now named "public.event_old"'),
], ids=["made-again", "swapped"])
def test_no_key_is_stale_after_another_table_took_its_place(
        items, migration, said):
    with Writers(items.database, writes(["name"])) as writers:
        wait_until(writers.have_written(), 30, "writers")
        items.look_and_refill(writers)
        items.execute(migration)
        opened = items.daemon.wait_for_event("capture.gap_opened")
        assert opened["error"] == said
        wait_until(items.is_touched, 30, "the model to be touched")
        with writers.held():
            items.mirror.fill()
        wait_until(writers.have_written(), 30, "writers that are not seen")
        assert items.mirror.stale() != []
        mark = items.daemon.mark()
        install(items.config)
        items.daemon.wait_for_event("capture.gap_closed", after=mark)
        wait_until(writers.have_written(), 30, "writers after install")
    assert writers.failures == []
    items.wait_fresh()
    done = run_cli("check", "-c", items.config.path)
    assert done.status == 0, done.stdout + done.stderr
