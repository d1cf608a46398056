"""Asking by hand: pgripple.invalidate() and its like, in SQL."""

import json

import psycopg2
import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet, warm
from harness.outbox import take, take_one
from harness.postgres import run
from harness.wait import wait_until

KEYS = ["team:1", "team:2", "tournament:1", "tournament:2"]


@pytest.fixture
def config(tournament, redis_server, cache, make_config):
    """Installed, with the roles; the teams 1 and 2 are in tournament 1, 3 and 4
    in tournament 2."""
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    tournament.execute("DELETE FROM pgripple.outbox")
    return made


@pytest.fixture
def asker(config, tournament):
    """A role that may ask by hand, and nothing else."""
    role = tournament.create_role()
    tournament.execute(f'GRANT pgripple_invalidate TO "{role}"')
    yield role
    tournament.execute(f'DROP OWNED BY "{role}"')


@pytest.fixture
def application(asker, tournament):
    return tournament.connect(user=asker, autocommit=False)


@pytest.fixture
def items(installed):
    """A table with columns of many types, and a model of it."""
    installed.execute("""
        CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE DOMAIN short AS varchar(3);
        CREATE TABLE item (id bigint, price numeric(10,2), code char(4),
            name varchar(5), at timestamptz, mood mood, tag short, doc jsonb,
            blob bytea, ratio float8, "my col" text, sure boolean);
        SELECT pgripple.watch('item', '{id,price,code,name,at,mood,tag,doc,
            blob,ratio,my col,sure}'), pgripple.set_models('item', '{item}')""")
    return installed


def refused(connection, sql, *params):
    """The message and the hint of the error."""
    with pytest.raises(psycopg2.Error) as error:
        run(connection, sql, *params)
    connection.rollback()
    return (error.value.diag.message_primary, error.value.diag.message_hint)


# ---- what a call writes ----

def test_a_row_is_spelled_as_capture_spells_it(items):
    given = {"id": 42, "price": 5, "code": "ab", "name": "ä\"}",
             "at": "2026-01-02 03:04:05+02", "mood": "good", "tag": "x",
             "doc": {"b": 1, "a": [2]}, "blob": "\\x00FF", "ratio": 0.1,
             "my col": "a\nb", "sure": "yes"}
    items.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'")
    items.execute("INSERT INTO item SELECT (jsonb_populate_record(NULL::item,"
                  " %s::jsonb)).*", json.dumps(given))
    captured = take_one(items)["new"]
    items.execute("SELECT pgripple.invalidate('item', %s)", json.dumps(given))
    assert take_one(items) == {
        "op": "invalidate", "model": "item", "new": captured}


def test_values_of_all_kinds(items):
    for given, image in (
            ({"id": None}, {"id": None}),
            ({"id": "7"}, {"id": "7"}),
            ({"sure": True}, {"sure": True}),
            ({"code": "long code"}, {"code": "long"}),
            ({"name": "more than five"}, {"name": "more than five"}),
            ({"my col": "{}'\"\\ \t☃"}, {"my col": "{}'\"\\ \t☃"}),
            ({"my col": "x" * 2000}, {"my col": {"unknown": "too large"}}),
            ({"mood": "unheard of"}, {"mood": "unheard of"})):
        items.execute("SELECT pgripple.invalidate('item', %s)",
                      json.dumps(given))
        assert take_one(items)["new"] == [image]


def test_a_column_that_a_migration_took_away_is_unknown(items):
    items.execute("ALTER TABLE item DROP COLUMN price")
    items.execute("""SELECT pgripple.invalidate('item', '{"price": 5}')""")
    assert take_one(items)["new"] == [{"price": {"unknown": "no such column"}}]


def test_it_returns_the_transaction_for_applied(items):
    for call in ("""invalidate('item', '{"id": 1}')""",
                 "invalidate_model('item')", "invalidate_all()"):
        xid, same = items.execute(f"SELECT pgripple.{call}::text,"
                                  " pg_current_xact_id()::text")[0]
        assert xid == same
        assert items.value("SELECT pgripple.applied(%s)", xid) is False
        assert take(items)
        assert items.value("SELECT pgripple.applied(%s)", xid) is True


def test_past_the_bound_of_the_outbox_a_mark_stands_for_all(items):
    items.execute("SELECT pgripple.outbox_limit(5)")
    for number in range(20):
        items.execute("SELECT pgripple.invalidate('item',"
                      " jsonb_build_object('id', %s::int))", number)
    changes = take(items)
    assert len(changes) < 9
    assert changes[-1]["whole"] == "outbox limit"


# ---- what is refused ----

def test_an_unknown_model_is_refused_with_the_known_ones(application):
    hint = ('Models are "team", "tournament". One that is new in the graph is '
            'known after "pgripple install".')
    for call in ("""invalidate('taem', '{"id":1}')""",
                 "invalidate_model('taem')"):
        assert refused(application, f"SELECT pgripple.{call}") == (
            'unknown model "taem"', hint)


def test_a_row_that_makes_no_sense_is_refused(application, tournament):
    write_it_like = 'Write it like {"id": 42}.'
    for given, error, hint in (
            ('{"nickname": 1}',
             'model "team" has no column "nickname" in the graph',
             'Columns are "id", "tournament_id".'),
            ("[1]", 'a row of model "team" is given as an array instead of an '
             "object", write_it_like),
            ("3", 'a row of model "team" is given as a number instead of an '
             "object", write_it_like),
            (None, 'a row of model "team" is given as null instead of an '
             "object", write_it_like),
            ("{}", 'a row of model "team" has no columns',
             "invalidate_model() is for all rows of a model."),
            ('{"id": "abc"}', 'invalid input syntax for type bigint: "abc"',
             None),
            ('{"id": [1]}', 'column "id" is given as an array',
             "Give a value as text, spelled as Postgres prints it."),
            (json.dumps({"id": "1" * 70000}),
             'a row of model "team" is longer than 64 kB', None)):
        assert refused(application, "SELECT pgripple.invalidate('team', %s)",
                       given) == (error, hint)
    assert take(tournament) == []


def test_before_install_no_model_is_known(installed):
    with pytest.raises(psycopg2.Error, match="no model is known"):
        installed.execute("SELECT pgripple.invalidate_all()")
    with pytest.raises(psycopg2.Error, match='unknown model "team"'):
        installed.execute("SELECT pgripple.invalidate_model('team')")


def test_who_may_not_ask_is_refused(config, tournament):
    role = tournament.create_role()
    stranger = tournament.connect(user=role)
    tournament.execute(f'GRANT USAGE ON SCHEMA pgripple TO "{role}"')
    for call in ("""invalidate('team', '{"id":1}')""",
                 "invalidate_model('team')", "invalidate_all()"):
        assert refused(stranger, f"SELECT pgripple.{call}")[0].startswith(
            "permission denied for function")
    tournament.execute(f'DROP OWNED BY "{role}"')


def test_who_may_ask_may_do_nothing_else(application):
    for sql in ("SELECT FROM pgripple.outbox", "SELECT FROM pgripple.model",
                "INSERT INTO pgripple.model VALUES ('x', 'app_team')",
                "SELECT pgripple.set_models('app_team', '{x}')",
                "SELECT pgripple.write_change('{}')",
                "SELECT pgripple.write_by_hand('x', NULL, '')",
                "SELECT FROM public.app_team"):
        assert refused(application, sql)[0].startswith("permission denied")


def test_no_code_of_a_user_runs_with_the_rights_of_the_owner(items):
    """The check of a domain, and the input of a type, are somebody's code."""
    items.execute("""
        CREATE TABLE ran (who text);
        CREATE FUNCTION spy(text) RETURNS boolean LANGUAGE sql AS
            'INSERT INTO ran VALUES (current_user); SELECT true';
        CREATE DOMAIN trap AS text CHECK (spy(VALUE));
        CREATE TABLE bait (t trap);
        SELECT pgripple.watch('bait', '{t}'),
            pgripple.set_models('bait', '{bait}');
        SELECT pgripple.invalidate('bait', '{"t": "x"}')""")
    assert take_one(items)["new"] == [{"t": "x"}]
    assert items.execute("SELECT * FROM ran") == []


# ---- what the daemon makes of it ----

def test_dependents_follow_and_nothing_before_the_commit(
        application, config, cache, tournament, make_daemon):
    daemon = make_daemon(config)
    warm(cache, *KEYS)
    run(application, """SELECT pgripple.invalidate('team', '{"id": 1}')""")
    tournament.execute("SELECT pgripple.ping('pgripple:ping:x')")
    wait_quiet(tournament)
    assert sorted(cache.keys()) == KEYS
    application.commit()
    wait_until(lambda: sorted(cache.keys()) == ["team:2", "tournament:2"],
               what="the keys to go")
    line = daemon.wait_for_event("change.applied")
    assert (line["op"], line["model"], line["table"]) == (
        "invalidate", "team", "public.app_team")
    assert [(m["path"], m["rows"]) for m in line["models"]] == [
        ("team", 1), ("team>tournament", 1)]


def test_a_rollback_does_nothing(application, tournament):
    run(application, """SELECT pgripple.invalidate('team', '{"id": 1}'),
        pgripple.invalidate_all()""")
    application.rollback()
    run(application, """SELECT pgripple.invalidate('team', '{"id": 1}');
        SAVEPOINT s; SELECT pgripple.invalidate('team', '{"id": 2}');
        ROLLBACK TO s; SELECT pgripple.invalidate('team', '{"id": 4}')""")
    application.commit()
    assert [change["new"] for change in take(tournament)] == [
        [{"id": "1"}], [{"id": "4"}]]


def test_many_rows_in_one_transaction_while_the_daemon_is_down(
        application, config, cache, tournament, make_daemon):
    warm(cache, *KEYS, "tournament:7")
    run(application, """SELECT pgripple.invalidate(
        'team', jsonb_build_object('id', n)) FROM generate_series(1, 300) AS n
        WHERE n <> 2""")
    application.commit()
    make_daemon(config)
    wait_quiet(tournament)
    # Of the teams that there are not, any tournament may have been theirs.
    assert cache.keys() == ["team:2"]


def test_all_rows_with_these_values_are_found(
        application, config, cache, tournament, make_daemon):
    daemon = make_daemon(config)
    warm(cache, *KEYS)
    run(application,
        """SELECT pgripple.invalidate('team', '{"tournament_id": 1}')""")
    application.commit()
    wait_quiet(tournament)
    assert cache.keys() == ["tournament:2"]
    line = daemon.wait_for_event("change.applied")
    assert line["models"][0]["rows"] == 2
    assert line["patterns"] == 0


def test_a_row_that_is_complete_needs_not_be_there(
        application, config, cache, tournament, make_daemon):
    make_daemon(config)
    warm(cache, *KEYS, "team:99")
    run(application, """SELECT pgripple.invalidate('team',
        '{"id": 99, "tournament_id": 2}')""")
    application.commit()
    wait_quiet(tournament)
    assert sorted(cache.keys()) == ["team:1", "team:2", "tournament:1"]


def test_a_whole_model_and_all_of_them(
        application, config, cache, tournament, make_daemon):
    make_daemon(config)
    warm(cache, *KEYS, "other")
    run(application, "SELECT pgripple.invalidate_model('tournament')")
    application.commit()
    wait_quiet(tournament)
    assert sorted(cache.keys()) == ["other", "team:1", "team:2"]
    run(application, "SELECT pgripple.invalidate_all()")
    application.commit()
    wait_quiet(tournament)
    assert cache.keys() == ["other"]


def test_without_the_right_to_look_up_what_is_known_is_touched(
        application, config, cache, tournament, make_daemon):
    tournament.execute("REVOKE SELECT ON app_team FROM pgripple_daemon")
    daemon = make_daemon(config)
    warm(cache, *KEYS)
    run(application, """SELECT pgripple.invalidate('team', '{"id": 1}')""")
    application.commit()
    wait_quiet(tournament)
    assert cache.keys() == ["team:2"]
    line = daemon.wait_for_event("lookup.failed")
    assert line["model"] == "team" and "permission denied" in line["error"]


def test_a_model_that_the_daemon_does_not_know_yet_is_kept(
        config, cache, tournament, make_daemon, cli):
    make_daemon(config)
    tournament.execute(
        "SELECT pgripple.set_models('app_draft', '{draft}');"
        "SELECT pgripple.watch('app_draft', '{id}');"
        "SELECT pgripple.invalidate_model('draft')")
    wait_quiet(tournament)
    assert tournament.value("SELECT reason FROM pgripple.rejected") == (
        'model "draft" is not in the graph')


HOSTILE = ["a\nb", '{"id": 1}', "'; DROP TABLE x; --", "*", "ключ ☃", "\\", ""]


def test_hostile_values_remove_their_own_keys_alone(
        database, redis_server, cache, make_config, make_daemon):
    database.execute("CREATE TABLE page (slug text PRIMARY KEY, n int)")
    config = make_config(database.conninfo(), redis_server.url, """
        models:
          page:
            table: page
            invalidate: ["page:{slug}:{n}"]
        """)
    install(config)
    for number, slug in enumerate(HOSTILE):
        database.execute("INSERT INTO page VALUES (%s, %s)", slug, number)
    database.execute("DELETE FROM pgripple.outbox")
    make_daemon(config)
    for number, slug in enumerate(HOSTILE):
        warm(cache, f"page:{slug}:{number}", f"page:{slug}:x")
    for slug in HOSTILE:
        database.execute("SELECT pgripple.invalidate('page', %s)",
                         json.dumps({"slug": slug}))
    wait_quiet(database)
    assert sorted(cache.keys()) == sorted(f"page:{slug}:x" for slug in HOSTILE)


# ---- what install tells ----

def models(database):
    return database.execute("SELECT name, relid::text FROM pgripple.model"
                            " ORDER BY name")


def test_install_tells_the_models_and_only_news_of_them(
        config, tournament, cli):
    assert models(tournament) == [
        ("team", "app_team"), ("tournament", "app_tournament")]
    owner = ("-c", config.path, "--conninfo", config.owner_conninfo)
    before = tournament.value("SELECT max(xmin::text) FROM pgripple.model")
    assert cli("install", *owner).stdout.endswith("nothing changed\n")
    assert tournament.value(
        "SELECT max(xmin::text) FROM pgripple.model") == before
    config.write_graph("""
        models:
          squad:
            table: app_team
            invalidate: ["team:{id}"]
          team:
            table: app_draft
            invalidate: ["draft:{id}"]
        """)
    done = cli("install", *owner)
    assert done.status == 0, done.stderr
    assert models(tournament) == [("squad", "app_team"), ("team", "app_draft")]
