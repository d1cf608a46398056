"""sql/roles.sql: who may do what."""

import psycopg2
import pytest

from harness.flow import TEAM_GRAPH, wait_quiet, warm
from harness.outbox import take, take_one, watch
from harness.postgres import run
from harness.roles import DAEMON, OWNER, install_with_roles, set_up_roles
from harness.wait import wait_until

FIXTURE = "tests/system/fixtures/pgripple-schema-1.sql"

# What is not the owner's, among all that the schema holds.
NOT_OWNED = f"""
    SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace = to_regnamespace('pgripple')
        AND relowner <> '{OWNER}'::regrole
    UNION ALL
    SELECT oid::regprocedure::text FROM pg_proc
    WHERE pronamespace = to_regnamespace('pgripple')
        AND proowner <> '{OWNER}'::regrole"""


@pytest.fixture
def items(installed):
    """A watched table, and the roles."""
    installed.execute("CREATE TABLE item (id int PRIMARY KEY, name text);"
                      "INSERT INTO item VALUES (1, 'a')")
    watch(installed, "item", "id", "name")
    set_up_roles(installed, lookups=None)
    return installed


@pytest.fixture
def daemon(items):
    """A session of the daemon's role."""
    return items.connect(user=DAEMON)


@pytest.fixture
def application(items):
    """A session of a role that may write to the watched table."""
    role = items.create_role()
    items.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON item '
                  f'TO "{role}"; GRANT CREATE ON SCHEMA public TO "{role}"')
    yield items.connect(user=role)
    items.execute(f'DROP OWNED BY "{role}" CASCADE')


def refused(session, sql):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(session, sql)
    return True


def test_everything_belongs_to_the_owner_who_cannot_log_in(items):
    assert items.execute(NOT_OWNED) == []
    assert items.value("SELECT rolcanlogin OR rolsuper FROM pg_roles "
                       f"WHERE rolname = '{OWNER}'") is False


def test_the_file_can_be_run_again(items):
    before = items.dump_schema()
    set_up_roles(items, lookups=None)
    assert items.dump_schema() == before


def test_an_upgrade_by_a_superuser_leaves_the_owner_in_possession(database):
    database.run_file(FIXTURE)
    database.execute("CREATE TABLE item (id int PRIMARY KEY);"
                     "SELECT pgripple.watch('item', '{id}')")
    database.execute(f"""
        DO $$BEGIN CREATE ROLE {OWNER} NOLOGIN;
        EXCEPTION WHEN duplicate_object THEN NULL; END$$;
        ALTER SCHEMA pgripple OWNER TO {OWNER};
        ALTER TABLE pgripple.outbox OWNER TO {OWNER};
        ALTER FUNCTION pgripple."public.item"() OWNER TO {OWNER}""")
    database.install()
    assert database.execute(NOT_OWNED) == []
    watch(database, "item", "id")
    database.execute("INSERT INTO item VALUES (1)")
    assert take_one(database)["op"] == "insert"


def test_an_application_without_rights_is_captured(items, application):
    run(application, "INSERT INTO item VALUES (2, 'b'), (3, 'c');"
                     "UPDATE item SET name = 'x' WHERE id = 2;"
                     "DELETE FROM item WHERE id = 3; TRUNCATE item")
    assert [change["op"] for change in take(items)] == [
        "insert", "update", "delete", "truncate"]


def test_an_application_without_rights_is_captured_past_the_limit(
        items, application):
    items.execute("SELECT pgripple.outbox_limit(1)")
    for number in range(2, 9):
        run(application, f"INSERT INTO item VALUES ({number})")
    assert len(take(items)) == 3


def test_an_application_without_rights_goes_unseen_while_disabled(
        items, application):
    items.execute("SELECT pgripple.disable()")
    take(items)
    run(application, "DELETE FROM item")
    assert take(items) == []


def test_a_capture_function_cannot_be_attached_to_another_table(
        items, application):
    """Not even by those who may look into the schema."""
    items.execute("GRANT USAGE ON SCHEMA pgripple TO "
                  f'"{application.info.user}"')
    run(application, "CREATE TABLE own (id int, name text)")
    attach = ("CREATE TRIGGER t AFTER TRUNCATE ON own "
              "EXECUTE FUNCTION pgripple.\"public.item\"()")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege) as said:
        run(application, attach)
    assert "permission denied for function pgripple.public.item" in str(said.value)
    items.execute(attach)       # a superuser's mistake
    assert items.value("SELECT problem FROM pgripple.watched()") == (
        'capture function is called by trigger "t" on "public.own", too')
    assert watch(items, "item", "id", "name") is True
    assert items.value("SELECT problem FROM pgripple.watched()") is None
    run(application, "TRUNCATE own")
    assert take(items) == []


@pytest.mark.parametrize("sql", [
    "SELECT FROM pgripple.outbox",
    "INSERT INTO pgripple.outbox (change, bytes) VALUES ('{}', 2)",
    "SELECT FROM pgripple.mark",
    "SELECT last_value FROM pgripple.outbox_low",
    "SELECT pgripple.write_whole('t', 'update', 'x', 1)",
    "SELECT pgripple.disable()",
    "SELECT pgripple.applied('3')",
    "SELECT pgripple.watch('item', '{id}')",
    "CREATE TABLE bait (id int); CREATE TRIGGER t AFTER TRUNCATE ON bait "
    "EXECUTE FUNCTION pgripple.\"public.item\"()",
])
def test_an_application_may_do_nothing_in_the_schema(application, sql):
    assert refused(application, sql)


@pytest.mark.parametrize("sql", [
    "INSERT INTO pgripple.outbox (change, bytes) VALUES ('{}', 2)",
    "UPDATE pgripple.outbox SET bytes = 0",
    "TRUNCATE pgripple.outbox",
    "INSERT INTO pgripple.mark VALUES (1, 't')",
    "UPDATE pgripple.watch_list SET bulk_rows = 1",
    "SELECT setval('pgripple.outbox_id_seq', 1)",
    "SELECT pgripple.write_mark('t', 'x')",
    "SELECT pgripple.disable()",
    "SELECT pgripple.notify_mode('never')",
    "SELECT FROM item",
    "CREATE FUNCTION pgripple.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
])
def test_the_daemon_can_forge_and_alter_nothing(daemon, sql):
    assert refused(daemon, sql)


def test_the_daemon_can_do_its_work(items, daemon):
    items.execute("UPDATE item SET name = 'x'")
    channel, lock_class = run(
        daemon, "SELECT pgripple.channel(), pgripple.lock_class()")[0]
    run(daemon, f'LISTEN "{channel}";'
                f"SELECT pg_try_advisory_lock({lock_class}, 1)")
    assert run(daemon, "SELECT last_value FROM pgripple.outbox_id_seq "
                       "WHERE is_called") == [(1,)]
    run(daemon, """
        SELECT pgripple.claim_marks(ARRAY(SELECT id FROM pgripple.outbox));
        WITH gone AS (DELETE FROM pgripple.outbox RETURNING *)
            INSERT INTO pgripple.rejected
            SELECT id, xid, at, change, 'odd' FROM gone;
        INSERT INTO pgripple.task (operation) VALUES ('{}');
        UPDATE pgripple.task SET started = now(); DELETE FROM pgripple.task""")
    assert run(daemon, "SELECT pgripple.retry_rejected(), "
                       "pgripple.measure_outbox()") == [(1, 1)]
    assert run(daemon, "SELECT table_name, problem FROM pgripple.watched()"
               ) == [("public.item", None)]
    run(daemon, "SELECT pgripple.ping('pgripple:ping:x')")


def test_an_application_may_be_let_wait_for_its_writes(items, application):
    role = application.info.user
    items.execute(f"""
        GRANT USAGE ON SCHEMA pgripple TO "{role}";
        GRANT EXECUTE ON FUNCTION pgripple.applied(xid8) TO "{role}";
        GRANT EXECUTE ON PROCEDURE
            pgripple.wait_applied(xid8, interval, boolean) TO "{role}" """)
    xid = run(application, "UPDATE item SET name = 'x' "
                           "RETURNING pg_current_xact_id()::text")[0][0]
    call = f"CALL pgripple.wait_applied('{xid}', '10ms')"
    assert run(application, call) == [(False,)]
    take(items)
    assert run(application, call) == [(True,)]
    assert refused(application, "SELECT FROM pgripple.outbox")


def test_what_runs_with_the_owners_rights_pins_its_search_path(items):
    assert items.execute("""
        SELECT oid::regprocedure::text, proconfig FROM pg_proc
        WHERE pronamespace = to_regnamespace('pgripple') AND prosecdef
            AND NOT ('search_path=pg_catalog, pg_temp' = ANY (proconfig))
            IS NOT FALSE""") == []


def test_only_what_must_runs_with_the_owners_rights(items):
    assert items.execute("""
        SELECT proname FROM pg_proc
        WHERE pronamespace = to_regnamespace('pgripple') AND prosecdef
        ORDER BY 1""") == [(name,) for name in (
            "applied", "check_coverage", "claim_marks", "drop_rejected",
            "invalidate", "invalidate_all", "invalidate_model",
            "measure_outbox", "model_differences", "ping", "public.item",
            "recognise_server", "reject_task", "retry_rejected",
            "watch_differences", "watched")]


def test_no_routine_is_open_to_everybody(items):
    assert items.execute("""
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = to_regnamespace('pgripple')
            AND has_function_privilege('public', oid, 'EXECUTE')""") == []


def test_a_daemon_of_the_least_rights_keeps_the_cache_true(
        tournament, redis_server, cache, make_config, make_daemon, cli):
    config = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install_with_roles(config, tournament)
    done = cli("check", "-c", config.path)
    assert done.status == 0, done.stdout + done.stderr
    make_daemon(config)
    warm(cache, "team:1", "team:2")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1;"
                       "TRUNCATE app_team CASCADE")
    wait_until(lambda: not cache.exists("team:1", "team:2"),
               what="the keys to go")
    wait_quiet(tournament)
    tournament.execute(f"DROP OWNED BY {DAEMON}")
