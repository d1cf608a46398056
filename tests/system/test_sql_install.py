"""Installing, watching, inspecting, uninstalling."""

import os
import shutil

import psycopg2
import pytest

from harness.outbox import take, take_one, watch
from harness.postgres import ROOT, read_sql, run

pytestmark = pytest.mark.sql


@pytest.fixture
def items(installed):
    installed.execute("CREATE TABLE item (id int PRIMARY KEY, name text)")
    watch(installed, "item", "id")
    return installed


def problem(database):
    return database.value("SELECT problem FROM pgripple.watched()")


def has_capture_function(database):
    return database.value(
        "SELECT to_regprocedure('pgripple.\"public.item\"()') IS NOT NULL")


def test_the_versions_can_be_asked(installed):
    assert installed.execute("SELECT pgripple.version(), "
                             "pgripple.schema_version()") == [("0.1.0", 7)]


def test_psql_runs_the_file_twice_without_a_word(database, postgres):
    folder = os.path.join(postgres.folder, database.name)
    shutil.copytree(f"{ROOT}/sql", folder)
    for _ in range(2):
        done = postgres.run_tool(
            "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f",
            f"{folder}/pgripple.sql", "-d", database.conninfo())
        assert done.stdout + done.stderr == ""


def test_an_upgrade_keeps_changes_watched_tables_and_mode(items):
    items.execute("SELECT pgripple.notify_mode('never');"
                  "INSERT INTO item VALUES (1)")
    before = items.dump_schema()
    items.install()
    assert items.dump_schema() == before
    assert items.value("SELECT pgripple.notify_mode()") == "never"
    assert problem(items) is None
    assert take_one(items)["op"] == "insert"


def test_the_schema_can_have_another_name(database):
    text = read_sql("sql/pgripple.sql")
    database.execute(text.replace("pgripple.", '"My Ripple".')
                     .replace("SCHEMA pgripple", 'SCHEMA "My Ripple"'))
    database.execute("""
        CREATE TABLE item (id int PRIMARY KEY);
        SELECT "My Ripple".watch('item', '{id}'); INSERT INTO item VALUES (1);
        INSERT INTO item VALUES (2), (3); ALTER TABLE item ADD n int;
        UPDATE item SET n = 1; TRUNCATE item""")
    assert database.value('SELECT count(*) FROM "My Ripple".outbox') == 4
    text = read_sql("sql/uninstall.sql")
    database.execute(text.replace("pgripple.", '"My Ripple".')
                     .replace("SCHEMA pgripple", 'SCHEMA "My Ripple"'))
    assert database.value("SELECT count(*) FROM pg_trigger") == 0


def test_uninstall_leaves_nothing_behind(tournament):
    before = tournament.dump_schema()
    tournament.install()
    watch(tournament, "app_team", "id", "tournament_id")
    watch(tournament, "app_game", "id")
    tournament.execute("UPDATE app_team SET name = 'x'")
    assert tournament.dump_schema() != before
    tournament.run_file("sql/uninstall.sql")
    assert tournament.dump_schema() == before
    tournament.run_file("sql/uninstall.sql")


def test_uninstall_finds_triggers_that_the_list_does_not_know(items):
    items.execute("DELETE FROM pgripple.watch_list")
    items.run_file("sql/uninstall.sql")
    assert items.value("SELECT count(*) FROM pg_trigger") == 0


def test_watching_twice_changes_nothing_and_waits_for_nobody(items):
    busy = items.connect(autocommit=False)
    run(busy, "LOCK TABLE item IN SHARE UPDATE EXCLUSIVE MODE")
    items.execute("SET lock_timeout = '100ms'")
    before = items.dump_schema()
    assert watch(items, "item", "id") is False
    assert items.dump_schema() == before


def test_other_columns_replace_only_the_function(items):
    """Whoever has the table, even a migration, is not waited for."""
    busy = items.connect(autocommit=False)
    run(busy, "LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
    items.execute("SET lock_timeout = '100ms'")
    assert watch(items, "item", "id", "name") is True
    busy.rollback()
    items.execute("INSERT INTO item VALUES (1, 'a')")
    assert take_one(items)["new"] == [{"id": "1", "name": "a"}]


def test_watched_shows_what_was_asked_for(items):
    watch(items, "item", "name", "id", "name", ignore=["name"], bulk_rows=7)
    assert items.execute("SELECT * FROM pgripple.watched()") == [
        ("public.item", ["name", "id"], ["name"], 7, None)]


@pytest.mark.parametrize("damage, said", [
    ("DROP TRIGGER pgripple_update ON item",
     'trigger "pgripple_update" is missing'),
    ("ALTER TABLE item DISABLE TRIGGER pgripple_insert",
     'trigger "pgripple_insert" is disabled'),
    ("ALTER TABLE item DISABLE TRIGGER ALL",
     'trigger "pgripple_insert" is disabled'),
    ("ALTER TABLE item ENABLE TRIGGER pgripple_delete",
     'trigger "pgripple_delete" is not ENABLE ALWAYS'),
    ("DROP TRIGGER pgripple_truncate ON item; CREATE TRIGGER pgripple_truncate "
     "BEFORE TRUNCATE ON item EXECUTE FUNCTION pgripple.\"public.item\"()",
     'trigger "pgripple_truncate" is not what watch() makes'),
    ("DO $$BEGIN EXECUTE replace(pg_get_functiondef("
     "'pgripple.\"public.item\"'::regproc), 'RETURN NULL', 'RETURN null'); "
     "END$$", "capture function is not what watch() made"),
    ("ALTER FUNCTION pgripple.\"public.item\"() RESET search_path",
     "capture function is not what watch() made"),
    ("ALTER FUNCTION pgripple.\"public.item\"() SET TimeZone = 'UTC'",
     "capture function is not what watch() made"),
    ("ALTER FUNCTION pgripple.\"public.item\"() SECURITY INVOKER",
     "capture function is outdated"),
    ("DROP FUNCTION pgripple.\"public.item\"() CASCADE",
     "capture function is missing"),
    ("ALTER TABLE item ADD n int", "columns changed since install"),
    ("ALTER TABLE item DROP CONSTRAINT item_pkey",
     "columns changed since install"),
    ("ALTER TABLE item RENAME TO article",
     'table is now named "public.article"'),
])
def test_watched_says_what_is_wrong_and_watch_mends_it(items, damage, said):
    items.execute(damage)
    assert problem(items) == said
    table = "article" if "article" in damage else "item"
    assert watch(items, table, "id") is True
    assert problem(items) is None
    assert watch(items, table, "id") is False
    items.execute(f"INSERT INTO {table} VALUES (1)")
    change = take_one(items)
    assert change["table"] == f"public.{table}" and "drift" not in change


def n_made_anew(database, sql="SELECT * FROM pgripple.watched()"):
    """How often a statement has the text of a capture function made."""
    session = database.connect(autocommit=False)
    run(session, "SET LOCAL track_functions = 'all'; " + sql)
    calls = run(session, "SELECT calls FROM pg_stat_xact_user_functions "
                         "WHERE funcname = 'wanted_body'")
    session.commit()
    return sum(row[0] for row in calls)


def edit(database, function, old, new):
    """Replaces a text in one of pgripple's functions."""
    text = database.value("SELECT pg_get_functiondef(%s::regprocedure)",
                          f"pgripple.{function}")
    assert old in text
    database.execute(text.replace(old, new))


def test_what_is_as_it_was_is_not_made_anew_to_compare(items):
    """But it is where the generator or the table are others."""
    assert n_made_anew(items) == 0
    assert n_made_anew(items, "SELECT pgripple.watch('item', '{id}')") == 0
    edit(items, "concat_sql(text[])", "SELECT CASE", "SELECT  CASE")
    assert n_made_anew(items) == 1 and problem(items) is None
    assert watch(items, "item", "id") is False
    assert n_made_anew(items) == 0
    edit(items, "concat_sql(text[])", "'concat('", "'concat( '")
    assert problem(items) == "capture function is outdated"
    assert watch(items, "item", "id") is True
    assert problem(items) is None and n_made_anew(items) == 0


@pytest.mark.parametrize("change", [
    "ALTER TABLE item ADD n int", "ALTER TABLE item DROP name",
    "ALTER TABLE item RENAME name TO title",
    "ALTER TABLE item ALTER name TYPE varchar(7)",
    "ALTER TABLE item DROP CONSTRAINT item_pkey",
    "ALTER TABLE item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (id, name)",
    "ALTER TYPE mood RENAME TO temper", "ALTER TYPE mood SET SCHEMA elsewhere",
    "CREATE TABLE child (more int) INHERITS (item)",
    "ALTER TABLE item INHERIT parent",
])
def test_what_a_function_is_made_from_is_noticed(items, change):
    items.execute("CREATE TYPE mood AS ENUM ('a'); CREATE SCHEMA elsewhere;"
                  "CREATE TABLE parent (id int);"
                  "ALTER TABLE item ADD mood mood")
    watch(items, "item", "id", "name", "mood")
    look = ("SELECT pgripple.wanted_body(w), s.hash FROM pgripple.sources() "
            "AS s JOIN pgripple.watch_list AS w ON w.relid = s.relid")
    (body, source), = items.execute(look)
    items.execute(change)
    (body_after, source_after), = items.execute(look)
    assert body != body_after and source != source_after


@pytest.mark.parametrize("before, wanted, said", [
    ("", ("{name,id}", "{}", 100000), ["is to capture name, too"]),
    ("SELECT pgripple.watch('item', '{name,id}')", ("{id}", "{}", 100000),
     ["is no longer to capture name"]),
    ("SELECT pgripple.watch('item', '{id,name}')",
     ("{name,id}", "{}", 100000),
     ["is to capture its columns in another order"]),
    ("", ("{id}", "{name}", 7),
     ["is to ignore name", "is to write a statement of more than 7 rows as one "
      "change of the whole table, not one of more than 100000"]),
    ("SELECT pgripple.watch('item', '{id}', '{name}')",
     ("{id}", "{}", 100000), ["is no longer to ignore name"]),
    ("ALTER TABLE item DISABLE TRIGGER pgripple_insert",
     ("{id}", "{}", 100000), ['trigger "pgripple_insert" is disabled']),
    ("SELECT pgripple.unwatch('item')", ("{id}", "{}", 100000),
     ["is not watched yet"]),
])
def test_what_watch_would_change_can_be_asked(items, before, wanted, said):
    items.execute(before or "SELECT")
    differences = ("SELECT difference FROM pgripple.watch_differences("
                   "'item', %s::text[], %s::text[], %s)")
    assert [row[0] for row in items.execute(differences, *wanted)] == said
    assert items.value("SELECT pgripple.watch('item', %s::text[], %s::text[],"
                       " %s)", *wanted) is True
    assert items.execute(differences, *wanted) == []


def test_a_dropped_table_is_reported_and_can_be_unwatched(items):
    relid = items.value("SELECT 'item'::regclass::oid")
    items.execute("DROP TABLE item")
    assert problem(items) == "table is gone"
    assert items.value("SELECT pgripple.unwatch(%s::oid::regclass)", relid)
    assert items.execute("SELECT * FROM pgripple.watched()") == []
    assert not has_capture_function(items)


def test_a_table_made_again_can_be_watched_again(items):
    items.execute("DROP TABLE item; CREATE TABLE item (id bigint PRIMARY KEY)")
    assert watch(items, "item", "id") is True
    assert problem(items) is None


def test_a_table_that_takes_a_watched_name_takes_its_place(items):
    items.execute("ALTER TABLE item RENAME TO item_old;"
                  "CREATE TABLE item (id int PRIMARY KEY)")
    assert problem(items) == 'table is now named "public.item_old"'
    assert watch(items, "item", "id") is True
    assert problem(items) is None
    items.execute("INSERT INTO item VALUES (1); INSERT INTO item_old VALUES (2)")
    assert take_one(items)["new"] == [{"id": "1"}]
    assert watch(items, "item_old", "id") is True
    items.execute("INSERT INTO item_old VALUES (3)")
    assert take_one(items)["table"] == "public.item_old"


@pytest.mark.parametrize("order", [("item", "other"), ("other", "item")])
@pytest.mark.parametrize("has_looked", [True, False])
def test_two_watched_tables_may_change_names(items, order, has_looked):
    items.execute("CREATE TABLE other (id int PRIMARY KEY)")
    watch(items, "other", "id")
    items.execute("ALTER TABLE item RENAME TO aside;"
                  "ALTER TABLE other RENAME TO item;"
                  "ALTER TABLE aside RENAME TO other")
    if has_looked:
        assert len(items.execute(
            "SELECT * FROM pgripple.check_coverage()")) == 2
        assert {change["whole"] for change in take(items)} == {"gap opened"}
    for table in order:
        assert watch(items, table, "id") is True
    assert [watch(items, table, "id") for table in order] == [False, False]
    assert items.execute("SELECT table_name, problem "
                         "FROM pgripple.watched()") == [
        ("public.item", None), ("public.other", None)]
    items.execute("SELECT * FROM pgripple.check_coverage()")
    assert {(change["table"], change["whole"]) for change in take(items)} == {
        ("public.item", "gap closed"), ("public.other", "gap closed")}
    items.execute("INSERT INTO item VALUES (1); INSERT INTO other VALUES (2)")
    assert [(change["table"], change["new"]) for change in take(items)] == [
        ("public.item", [{"id": "1"}]), ("public.other", [{"id": "2"}])]


def test_unwatch_takes_everything_away(items):
    assert items.value("SELECT pgripple.unwatch('item')") is True
    assert items.value("SELECT pgripple.unwatch('item')") is False
    assert items.value("SELECT count(*) FROM pg_trigger") == 0
    items.execute("INSERT INTO item VALUES (1)")
    assert take(items) == []


@pytest.mark.parametrize("damage", [
    "DROP FUNCTION pgripple.\"public.item\"() CASCADE",
    "DROP TRIGGER pgripple_insert ON item",
    "DELETE FROM pgripple.watch_list",
])
def test_unwatch_copes_with_what_is_left(items, damage):
    items.execute(damage)
    assert items.value("SELECT pgripple.unwatch('item')") is True
    assert items.value("SELECT count(*) FROM pg_trigger") == 0
    assert not has_capture_function(items)
    assert items.execute("SELECT * FROM pgripple.watched()") == []


@pytest.mark.parametrize("made, name, said", [
    ("VIEW x AS SELECT 1 AS id", "x", "it is a view, not an ordinary table"),
    ("MATERIALIZED VIEW x AS SELECT 1 AS id", "x",
     "it is a materialized view, not an ordinary table"),
    ("FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
     "CREATE FOREIGN TABLE x (id int) SERVER s", "x",
     "it is a foreign table, not an ordinary table"),
    ("TEMP TABLE x (id int)", "x", "it is a temporary table"),
    ("SEQUENCE x", "x", "it is not an ordinary table"),
    ("TABLE x (id int)", "pg_catalog.pg_class", "it is a table of the system"),
    ("TABLE x (id int)", "pgripple.outbox",
     "it is one of pgripple's own tables"),
])
def test_only_ordinary_tables_can_be_watched(installed, made, name, said):
    installed.execute(f"CREATE {made}")
    with pytest.raises(psycopg2.errors.WrongObjectType) as refused:
        watch(installed, name, "id")
    assert f': {said}' in str(refused.value)


def test_an_unknown_column_is_named_with_those_that_exist(installed):
    installed.execute("CREATE TABLE item (id int, \"Name\" text)")
    with pytest.raises(psycopg2.errors.UndefinedColumn) as refused:
        watch(installed, "item", "id", "name")
    assert refused.value.diag.message_primary == (
        'cannot watch "public.item": it has no column "name"')
    assert refused.value.diag.message_hint == "Its columns are: id, Name."


def test_an_unknown_table_is_refused(installed):
    with pytest.raises(psycopg2.errors.UndefinedTable):
        watch(installed, "nothing", "id")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        watch(installed, "4000000000", "id")


def test_a_caller_who_is_no_member_of_the_owner_is_refused(installed):
    role = installed.create_role()
    installed.execute(f"""
        CREATE TABLE item (id int); ALTER TABLE item OWNER TO "{role}";
        GRANT USAGE ON SCHEMA pgripple TO "{role}";
        GRANT SELECT ON ALL TABLES IN SCHEMA pgripple TO "{role}";
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgripple TO "{role}" """)
    caller = installed.connect(user=role)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege) as refused:
        run(caller, "SELECT pgripple.watch('item', '{id}')")
    assert f'of which role "{role}" is not a member' in str(refused.value)


def test_a_member_of_the_owner_can_watch_its_own_table(database):
    owner = database.create_role("NOLOGIN")
    caller = database.create_role()
    database.execute(f'GRANT "{owner}" TO "{caller}";'
                     f'GRANT CREATE ON DATABASE "{database.name}" TO "{owner}";'
                     f'SET ROLE "{owner}"')
    database.install()
    database.execute(f'RESET ROLE; CREATE TABLE item (id int PRIMARY KEY);'
                     f'ALTER TABLE item OWNER TO "{caller}"')
    session = database.connect(user=caller)
    assert run(session, "SELECT pgripple.watch('item', '{id}')") == [(True,)]
    assert run(session, "SELECT pgripple.watch('item', '{id}')") == [(False,)]
    assert database.value(
        "SELECT proowner::regrole::text FROM pg_proc "
        "WHERE proname = 'public.item'").strip('"') == owner
    run(session, "INSERT INTO item VALUES (1)")
    assert take_one(database)["op"] == "insert"


def test_nothing_is_open_to_everybody(items):
    assert items.execute("""
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = to_regnamespace('pgripple')
            AND has_function_privilege('public', oid, 'EXECUTE')
        UNION ALL
        SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace = to_regnamespace('pgripple')
            AND relkind IN ('r', 'S')
            AND has_table_privilege('public', oid, 'SELECT')""") == []


def test_everything_has_a_comment(items):
    assert items.execute("""
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = to_regnamespace('pgripple')
            AND obj_description(oid, 'pg_proc') IS NULL
        UNION ALL
        SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace = to_regnamespace('pgripple') AND relkind = 'r'
            AND obj_description(oid, 'pg_class') IS NULL""") == []


def test_the_notify_mode_can_be_changed_and_asked(items):
    assert items.value("SELECT pgripple.notify_mode()") == "adaptive"
    assert items.value("SELECT pgripple.notify_mode('always')") == "always"
    assert items.value("SELECT pgripple.notify_mode('never')") == "never"
    assert items.value("SELECT pgripple.notify_mode()") == "never"
    with pytest.raises(psycopg2.errors.InvalidParameterValue) as refused:
        items.execute("SELECT pgripple.notify_mode('sometimes')")
    assert 'unknown notify mode "sometimes"' in str(refused.value)


def test_ping_writes_a_canary(items):
    number = items.value("SELECT pgripple.ping('pgripple:ping:1')")
    assert items.execute("SELECT id, change->>'op', change->>'key' "
                         "FROM pgripple.outbox") == [
        (number, "ping", "pgripple:ping:1")]


def test_a_waiting_task_is_not_repeated_but_a_started_one_is(items):
    add = """INSERT INTO pgripple.task (operation)
             VALUES ('{"do":"scan","pattern":"team:*"}')
             ON CONFLICT DO NOTHING"""
    items.execute(f"{add}; {add}")
    assert items.value("SELECT count(*) FROM pgripple.task") == 1
    items.execute("UPDATE pgripple.task SET started = clock_timestamp()")
    items.execute(f"{add}; {add}")
    assert items.value("SELECT count(*) FROM pgripple.task") == 2
