"""What each kind of statement leaves in the outbox."""

import io

import psycopg2
import pytest

from harness.outbox import take, take_one, watch
from harness.postgres import run

pytestmark = pytest.mark.sql


@pytest.fixture
def items(installed):
    """A watched table with a key of one column and two rows."""
    installed.execute("""
        CREATE TABLE item (id int PRIMARY KEY, name text, seen int, hits int);
        INSERT INTO item VALUES (1, 'a', 0, 0), (2, 'b', 0, 0)""")
    watch(installed, "item", "id", "name", ignore=["hits"])
    return installed


def names(images):
    return sorted(image["name"] for image in images)


def test_an_insert_has_only_new_images(items):
    items.execute("INSERT INTO item VALUES (3, 'c', 0, 0)")
    assert take_one(items) == {"table": "public.item", "op": "insert",
                               "new": [{"id": "3", "name": "c"}]}


def test_an_insert_of_many_rows_is_one_change(items):
    items.execute("INSERT INTO item "
                  "SELECT n, 'x' FROM generate_series(3, 9) n")
    assert len(take_one(items)["new"]) == 7


def test_an_update_has_both_images_and_the_changed_columns(items):
    items.execute("UPDATE item SET name = 'z' WHERE id = 1")
    assert take_one(items) == {
        "table": "public.item", "op": "update",
        "old": [{"id": "1", "name": "a"}], "new": [{"id": "1", "name": "z"}],
        "changed": ["name"]}


def test_an_update_of_many_rows_pairs_them_by_key(items):
    items.execute("UPDATE item SET name = name || '!'")
    change = take_one(items)
    assert names(change["old"]) == ["a", "b"]
    assert names(change["new"]) == ["a!", "b!"]
    assert change["changed"] == ["name"]


def test_an_update_of_another_column_changes_none_of_the_watched(items):
    items.execute("UPDATE item SET seen = 1 WHERE id = 1")
    assert take_one(items)["changed"] == []


def test_a_delete_has_only_old_images(items):
    items.execute("DELETE FROM item WHERE id = 1")
    assert take_one(items) == {"table": "public.item", "op": "delete",
                               "old": [{"id": "1", "name": "a"}]}


def test_a_truncate_stands_for_the_whole_table(items):
    items.execute("TRUNCATE item")
    assert take_one(items) == {"table": "public.item", "op": "truncate",
                               "whole": "truncate"}


def test_copy_is_captured(items):
    with items.own.cursor() as cursor:
        cursor.copy_expert("COPY item (id, name) FROM STDIN",
                           io.StringIO("7\tp\n8\tq\n"))
    assert names(take_one(items)["new"]) == ["p", "q"]


def test_on_conflict_is_an_insert_and_an_update(items):
    items.execute("INSERT INTO item VALUES (1, 'x'), (9, 'new') "
                  "ON CONFLICT (id) DO UPDATE SET name = excluded.name")
    by_op = {change["op"]: change for change in take(items)}
    assert names(by_op["insert"]["new"]) == ["new"]
    assert names(by_op["update"]["old"]) == ["a"]
    assert names(by_op["update"]["new"]) == ["x"]


def test_a_writable_cte_is_captured_with_all_its_parts(items):
    items.execute("WITH gone AS (DELETE FROM item WHERE id = 1 RETURNING *) "
                  "INSERT INTO item SELECT id + 10, name FROM gone")
    assert sorted(change["op"] for change in take(items)) == [
        "delete", "insert"]


def test_a_foreign_key_cascade_is_captured_in_the_child(items):
    items.execute("CREATE TABLE part (id int PRIMARY KEY, "
                  "item_id int REFERENCES item ON DELETE CASCADE);"
                  "INSERT INTO part SELECT n, 1 FROM generate_series(1, 9) n")
    watch(items, "part", "id", "item_id")
    items.execute("DELETE FROM item WHERE id = 1")
    sizes = {change["table"]: len(change["old"]) for change in take(items)}
    assert sizes == {"public.item": 1, "public.part": 9}


def test_a_rollback_leaves_nothing(items):
    writer = items.connect(autocommit=False)
    run(writer, "UPDATE item SET name = 'z'")
    writer.rollback()
    assert take(items) == []


def test_a_rolled_back_savepoint_leaves_only_the_rest(items):
    writer = items.connect(autocommit=False)
    run(writer, "UPDATE item SET name = 'kept' WHERE id = 1; SAVEPOINT s; "
                "UPDATE item SET name = 'lost' WHERE id = 2; "
                "ROLLBACK TO SAVEPOINT s")
    writer.commit()
    assert names(take_one(items)["new"]) == ["kept"]


def test_nothing_is_visible_before_the_commit(items):
    writer = items.connect(autocommit=False)
    run(writer, "UPDATE item SET name = 'z'")
    assert take(items) == []
    writer.commit()
    assert len(take(items)) == 1


def test_the_writers_transaction_is_named(items):
    writer = items.connect(autocommit=False)
    xid = run(writer, "UPDATE item SET name = 'z' WHERE id = 1; "
                      "SELECT pg_current_xact_id()::text")[0][0]
    writer.commit()
    assert items.value("SELECT xid::text FROM pgripple.outbox") == xid


@pytest.mark.parametrize("statement", [
    "UPDATE item SET name = 'z' WHERE false",
    "DELETE FROM item WHERE false",
    "INSERT INTO item SELECT 1 WHERE false",
    "INSERT INTO item VALUES (1, 'dup') ON CONFLICT DO NOTHING",
])
def test_a_statement_without_rows_writes_nothing(items, statement):
    items.execute(statement)
    assert take(items) == []


@pytest.mark.parametrize("where", ["WHERE id = 1", ""])
def test_an_update_that_changes_nothing_writes_nothing(items, where):
    items.execute(f"UPDATE item SET name = name, seen = seen {where}")
    assert take(items) == []


@pytest.mark.parametrize("where", ["WHERE id = 1", ""])
def test_an_update_of_ignored_columns_writes_nothing(items, where):
    items.execute(f"UPDATE item SET hits = hits + 1 {where}")
    assert take(items) == []


def test_only_the_rows_that_differ_are_written(items):
    items.execute("UPDATE item SET hits = 5, "
                  "name = CASE id WHEN 2 THEN 'z' ELSE name END")
    assert take_one(items)["new"] == [{"id": "2", "name": "z"}]


@pytest.mark.parametrize("where", ["WHERE id = 1", ""])
def test_a_changed_key_counts_on_both_sides(items, where):
    items.execute(f"UPDATE item SET id = id + 100 {where}")
    change = take_one(items)
    assert {"id": "1", "name": "a"} in change["old"]
    assert {"id": "101", "name": "a"} in change["new"]
    assert change["changed"] == ["id", "name"]


def test_rows_that_swap_their_deferrable_keys_are_all_there(installed):
    installed.execute("""
        CREATE TABLE swap (id int PRIMARY KEY DEFERRABLE, v text);
        INSERT INTO swap VALUES (1, 'a'), (2, 'b')""")
    watch(installed, "swap", "id", "v")
    installed.execute("UPDATE swap SET id = 3 - id")
    change = take_one(installed)
    assert len(change["old"]) == len(change["new"]) == 2
    assert change["changed"] == ["v"]


def test_composite_keys_pair_rows(installed):
    installed.execute("""
        CREATE TABLE line (v text, no int, doc varchar(9),
                           PRIMARY KEY (doc, no));
        INSERT INTO line VALUES ('p', 1, 'A'), ('q', 2, 'A'), ('r', 1, 'B')""")
    watch(installed, "line", "doc", "no")
    installed.execute("UPDATE line "
                      "SET v = v || CASE doc WHEN 'A' THEN '' ELSE '!' END")
    change = take_one(installed)
    assert change["old"] == change["new"] == [{"doc": "B", "no": "1"}]


@pytest.mark.parametrize("definition", [
    "id int, v text",
    "id int UNIQUE NOT NULL, v text",
])
@pytest.mark.parametrize("where", ["WHERE id = 1", ""])
def test_without_a_primary_key_every_row_counts(installed, definition, where):
    installed.execute(f"CREATE TABLE heap ({definition});"
                      "INSERT INTO heap VALUES (1, 'a'), (2, 'b')")
    watch(installed, "heap", "id", "v")
    installed.execute(f"UPDATE heap SET v = v {where}")
    change = take_one(installed)
    assert len(change["old"]) == len(change["new"]) == (1 if where else 2)
    assert "changed" not in change


def test_a_key_compared_outside_the_servers_own_operators_is_no_key(installed):
    installed.execute("CREATE EXTENSION citext; "
                      "CREATE TABLE c (id citext PRIMARY KEY, v text);"
                      "INSERT INTO c VALUES ('A', 'v'), ('B', 'v')")
    watch(installed, "c", "id")
    installed.execute("UPDATE c SET v = v")
    change = take_one(installed)
    assert len(change["old"]) == 2 and "changed" not in change


def test_hostile_names_work_everywhere(installed):
    installed.execute('''
        CREATE SCHEMA "My ""Schema";
        CREATE TABLE "My ""Schema"."User's $$ %s Order" (
            "user" int PRIMARY KEY, "Mixed Case" text, "o" int, "n" text,
            "old_image" text, "quo""te'%I" text, "new" text, "n_rows" int);
        INSERT INTO "My ""Schema"."User's $$ %s Order" ("user") VALUES (1)''')
    table = '"My ""Schema"."User\'s $$ %s Order"'
    columns = ["user", "Mixed Case", "o", "n", "old_image", "quo\"te'%I",
               "new", "n_rows"]
    watch(installed, table, *columns)
    for where in ("WHERE false OR true", "WHERE \"user\" = 1"):
        installed.execute(f"UPDATE {table} SET \"Mixed Case\" = 'x' || now(), "
                          f"\"quo\"\"te'%I\" = clock_timestamp() {where}")
        change = take_one(installed)
        assert change["table"] == table
        assert list(change["new"][0]) == columns
        assert change["changed"] == ["Mixed Case", "quo\"te'%I"]
    installed.execute(f"INSERT INTO {table} (\"user\") VALUES (2), (3);"
                      f"DELETE FROM {table}")
    assert len(take(installed)) == 2


def test_a_name_of_126_bytes_works(installed):
    schema, table = "s" * 63, "ü" * 31
    installed.execute(f'CREATE SCHEMA "{schema}"; '
                      f'CREATE TABLE "{schema}"."{table}" (id int PRIMARY KEY);'
                      f'CREATE TABLE "{schema}"."{table[:-1]}" (id int)')
    watch(installed, f'"{schema}"."{table}"', "id")
    watch(installed, f'"{schema}"."{table[:-1]}"', "id")
    installed.execute(f'INSERT INTO "{schema}"."{table}" VALUES (1)')
    assert take_one(installed)["table"] == f'{schema}."{table}"'


def test_a_table_of_1000_columns_works(installed):
    columns = [f"c{n}" for n in range(1000)]
    installed.execute("CREATE TABLE wide (id int PRIMARY KEY, "
                      + ", ".join(f"{c} int" for c in columns) + ");"
                      "INSERT INTO wide (id) VALUES (1), (2)")
    watch(installed, "wide", "id", *columns)
    installed.execute("UPDATE wide SET c199 = 1, c999 = 1")
    assert take_one(installed)["changed"] == ["c199", "c999"]
    installed.execute("UPDATE wide SET c0 = 1 WHERE id = 1")
    assert take_one(installed)["changed"] == ["c0"]


def test_the_triggers_fire_for_replicated_sessions_too(items):
    items.execute("SET session_replication_role = replica;"
                  "UPDATE item SET name = 'z' WHERE id = 1")
    assert len(take(items)) == 1


def test_a_writer_needs_no_right_on_the_schema(items):
    role = items.create_role()
    items.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON item '
                  f'TO "{role}"')
    writer = items.connect(user=role)
    run(writer, "INSERT INTO item VALUES (5, 'w'), (6, 'w')")
    run(writer, "UPDATE item SET name = 'x' WHERE id = 5")
    run(writer, "DELETE FROM item WHERE id = 5")
    run(writer, "TRUNCATE item")
    assert [change["op"] for change in take(items)] == [
        "insert", "update", "delete", "truncate"]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(writer, "SELECT * FROM pgripple.outbox")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(writer, "SELECT pgripple.ping('x')")


def test_a_writer_cannot_put_objects_of_its_own_in_the_way(items):
    role = items.create_role()
    items.execute(f'GRANT ALL ON item TO "{role}"; '
                  f'CREATE SCHEMA evil AUTHORIZATION "{role}"')
    writer = items.connect(user=role)
    run(writer, """
        CREATE TABLE evil.outbox (id int);
        CREATE FUNCTION evil.ring() RETURNS void LANGUAGE plpgsql AS
            $$BEGIN RAISE 'hijacked'; END$$;
        CREATE FUNCTION evil.octet_length(text) RETURNS int LANGUAGE plpgsql AS
            $$BEGIN RAISE 'hijacked'; END$$;
        CREATE FUNCTION evil.row_to_json(record) RETURNS json LANGUAGE plpgsql
            AS $$BEGIN RAISE 'hijacked'; END$$;
        CREATE TEMP TABLE pgripple_old (id int);
        CREATE TEMP TABLE pgripple_new (id int);
        CREATE TEMP TABLE pg_attribute (id int);
        CREATE TEMP TABLE outbox (id int);
        SET search_path = evil, pg_temp, pg_catalog""")
    for where in ("WHERE id = 1", ""):
        run(writer, f"UPDATE public.item SET name = name || 'x' {where}")
        assert take_one(items)["op"] == "update"


def test_a_statement_over_bulk_rows_stands_for_the_whole_table(items):
    watch(items, "item", "id", bulk_rows=3)
    items.execute("INSERT INTO item SELECT n FROM generate_series(3, 5) n")
    assert len(take_one(items)["new"]) == 3
    items.execute("UPDATE item SET seen = 1")
    assert take_one(items) == {"table": "public.item", "op": "update",
                               "whole": "bulk", "rows": "5"}
    items.execute("DELETE FROM item")
    assert take_one(items)["rows"] == "5"


def test_the_doorbell_rings_once_for_a_change_and_not_for_none(items):
    listener = items.connect()
    channel = items.value("SELECT pgripple.channel()")
    assert channel == "pgripple_%d" % items.value(
        "SELECT oid::bigint FROM pg_namespace WHERE nspname = 'pgripple'")
    run(listener, f'LISTEN "{channel}"')
    items.execute("SELECT pgripple.notify_mode('always')")
    items.execute("UPDATE item SET name = name; DELETE FROM item WHERE false")
    run(listener, "SELECT 1")
    assert listener.notifies == []
    items.execute("UPDATE item SET name = 'x'; UPDATE item SET name = 'y'")
    run(listener, "SELECT 1")
    assert [(n.channel, n.payload) for n in listener.notifies] == [
        (channel, "")]


def test_without_notify_nothing_rings_and_transactions_can_be_prepared(
        make_postgres):
    server = make_postgres(fsync="off", max_prepared_transactions=2)
    database = server.create_database("app").install()
    database.execute("CREATE TABLE item (id int PRIMARY KEY)")
    watch(database, "item", "id")
    database.execute("SELECT pgripple.notify_mode('never')")
    database.execute("BEGIN; INSERT INTO item VALUES (1); "
                     "PREPARE TRANSACTION 'p'")
    assert take(database) == []
    database.execute("COMMIT PREPARED 'p'")
    assert take_one(database)["op"] == "insert"
