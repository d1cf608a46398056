"""Which text stands for a value: the table of docs/values.md, row by row."""

import json
import os
import re

import pytest

from harness.outbox import take, take_one, watch
from harness.postgres import ROOT, run

pytestmark = pytest.mark.sql

UNKNOWN = {"unknown": "too large"}

HOSTILE_SETTINGS = """
    SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'SQL, DMY';
    SET IntervalStyle = 'iso_8601'; SET bytea_output = 'escape';
    SET extra_float_digits = -10; SET quote_all_identifiers = on;
    SET search_path = pg_temp; SET xmlbinary = hex; SET array_nulls = off;
    SET standard_conforming_strings = off; SET escape_string_warning = off;
    SET transform_null_equals = on; SET plan_cache_mode = force_custom_plan"""


def documented():
    """Type, value as SQL and JSON of each row of docs/values.md's table."""
    with open(os.path.join(ROOT, "docs/values.md"), encoding="utf-8") as page:
        rows = re.findall(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \|", page.read(),
                          re.MULTILINE)
    assert len(rows) > 40
    return [tuple(cell.replace("\\|", "|") for cell in row) for row in rows]


@pytest.fixture
def typed(installed):
    """What the documented types need: types and a domain of its own."""
    installed.execute("""
        CREATE EXTENSION citext; CREATE EXTENSION hstore;
        CREATE TYPE mood AS ENUM ('sad', 'not bad');
        CREATE DOMAIN price AS numeric(8, 2);
        CREATE DOMAIN moody AS mood;
        CREATE TYPE pair AS (a int, b text)""")
    return installed


def capture(database, writer, type, value):
    """The JSON text of a value in an image, written by one row and by many."""
    texts = set()
    database.execute(f"CREATE TABLE public.v (id int PRIMARY KEY, v {type})")
    watch(database, "public.v", "v")
    for rows in ("VALUES (1)", "VALUES (2), (3)"):
        run(writer, f"INSERT INTO public.v "
                    f"SELECT column1, {value} FROM ({rows}) AS r")
        change, = database.changes()
        texts.add(re.search(r'"new":\[\{"v":(.*?)\}(,\{"v":.*)?\]\}$', change,
                            re.DOTALL).group(1))
        take(database)
    database.execute("DROP TABLE public.v")
    assert len(texts) == 1, texts
    return texts.pop()


def test_values_look_as_documented_whatever_the_session(typed):
    writer = typed.connect()
    hostile = typed.connect()
    run(hostile, HOSTILE_SETTINGS)
    wrong = []
    for type, value, shown in documented():
        public = re.sub(r"\b(citext|hstore|mood|moody|price|pair)\b",
                        r"public.\1", value)
        for session in (writer, hostile):
            text = capture(typed, session, type, public)
            if text != shown:
                wrong.append((type, value, shown, text))
        sibling = typed.value(f"SELECT to_jsonb(({value})::{type})::text")
        if json.loads(shown) is not None and not isinstance(
                json.loads(sibling), (dict, list)):
            assert json.loads(shown) == json.loads(sibling), type
    assert wrong == []


@pytest.mark.parametrize("value", [
    "random()::text", "'tab\t quote\" back\\\\slash \x01'", "'größe 😀'",
    "'{\"unknown\":\"too large\"}'"])
def test_any_text_comes_back_as_it_was(installed, value):
    installed.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    watch(installed, "t", "v")
    installed.execute(f"INSERT INTO t VALUES (1, {value})")
    assert take_one(installed)["new"][0]["v"] == installed.value(
        "SELECT v FROM t")


@pytest.mark.parametrize("type, short, long", [
    ("text", "repeat('x', 1024)", "repeat('x', 1025)"),
    ("varchar", "repeat('ü', 512)", "repeat('ü', 513)"),
    ("varchar(2000)", "repeat('x', 1024)", "repeat('x', 1025)"),
    ("char(1500)", "NULL", "'x'"),
    ("bytea", "decode(repeat('00', 511), 'hex')",
     "decode(repeat('00', 512), 'hex')"),
    ("numeric", "repeat('9', 1024)::numeric", "1e1024::numeric"),
    ("numeric", "1.5", "('0.' || repeat('0', 1100))::numeric"),
    ("int[]", "ARRAY[1]", "array_fill(1, ARRAY[600])"),
    ("jsonb", "'{}'::jsonb", "to_jsonb(repeat('x', 100000))"),
    ("json", "'{}'::json", "to_json(repeat('x', 1023))"),
    ("tsvector", "'a'::tsvector", "to_tsvector(repeat('x', 1100))"),
])
def test_a_text_over_1_kb_is_unknown(installed, type, short, long):
    installed.execute(f"CREATE TABLE t (id int PRIMARY KEY, v {type})")
    watch(installed, "t", "v")
    installed.execute(f"INSERT INTO t VALUES (1, {short})")
    assert take_one(installed)["new"][0]["v"] != UNKNOWN
    installed.execute(f"UPDATE t SET v = {long}")
    change = take_one(installed)
    assert change["new"][0]["v"] == UNKNOWN and change["changed"] == ["v"]
    installed.execute("DELETE FROM t")
    assert take_one(installed)["old"][0]["v"] == UNKNOWN


def test_a_users_cast_to_json_is_never_called(typed):
    typed.execute("""
        CREATE FUNCTION gotcha(mood) RETURNS json LANGUAGE plpgsql AS
            $$BEGIN RAISE 'called as %', current_user; END$$;
        CREATE CAST (mood AS json) WITH FUNCTION gotcha(mood);
        CREATE TABLE t (id int PRIMARY KEY, m mood, d moody, a mood[]);
        INSERT INTO t VALUES (1, 'sad', 'sad', '{sad}'),
            (2, NULL, NULL, NULL)""")
    watch(typed, "t", "id", "m", "d", "a")
    for mood, where in (("not bad", "WHERE id = 1"), ("sad", "")):
        typed.execute(f"UPDATE t SET m = '{mood}', d = 'sad' {where}")
        assert {"id": "1", "m": mood, "d": "sad", "a": "{sad}"} in \
            take_one(typed)["new"]
    typed.execute("ALTER TABLE t RENAME a TO b; DELETE FROM t")
    assert take_one(typed)["drift"] is True


def test_values_that_are_equal_but_differ_as_text_are_a_change(typed):
    typed.execute("""
        CREATE TABLE t (id int PRIMARY KEY, c citext, n numeric, f float8,
                        b char(5));
        INSERT INTO t VALUES (1, 'a', 5.0, 0, 'x')""")
    watch(typed, "t", "c", "n", "f", "b")
    typed.execute("UPDATE t SET c = 'A'")
    assert take_one(typed)["changed"] == ["c"]
    typed.execute("UPDATE t SET n = 5.00")
    assert take_one(typed)["changed"] == ["n"]
    typed.execute("UPDATE t SET f = '-0'")
    assert take_one(typed)["changed"] == ["f"]
    typed.execute("UPDATE t SET b = 'x  '")
    assert take(typed) == []


def test_a_type_without_equality_can_be_compared(installed):
    installed.execute("""
        CREATE TABLE t (id int PRIMARY KEY, p point, j json, x xml);
        INSERT INTO t VALUES (1, '(1,2)', '{}', '<a/>')""")
    watch(installed, "t", "id")
    installed.execute("UPDATE t SET p = p, j = j, x = x")
    assert take(installed) == []
    installed.execute("UPDATE t SET j = '{ }'")
    assert len(take(installed)) == 1


def test_values_over_2000_bytes_count_as_different(installed):
    installed.execute("CREATE TABLE t (id int PRIMARY KEY, v text, n int);"
                      "ALTER TABLE t ALTER v SET STORAGE EXTERNAL;"
                      "INSERT INTO t VALUES (1, repeat('x', 2100)), (2, 'y')")
    watch(installed, "t", "id", "v")
    installed.execute("UPDATE t SET n = n")
    change = take_one(installed)
    assert change["new"] == [{"id": "1", "v": UNKNOWN}]
    assert change["changed"] == ["v"]


def test_rows_of_2_mb_are_captured_quickly_in_small_chunks(installed):
    installed.execute("""
        CREATE TABLE big (id int PRIMARY KEY, v text, n int);
        INSERT INTO big VALUES (1, repeat('x', 2000000));
        INSERT INTO big
            SELECT i, v FROM big, generate_series(2, 600) AS i""")
    watch(installed, "big", "id", "v")
    installed.execute("SET statement_timeout = '5s'; UPDATE big SET n = 1")
    change = take_one(installed)
    assert len(change["new"]) == 600 and change["new"][0]["v"] == UNKNOWN


def test_chunks_hold_1000_images_and_64_kb_at_most(installed):
    installed.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(800))")
    watch(installed, "t", "id", "v")
    installed.execute("INSERT INTO t SELECT n FROM generate_series(1, 5000) n;"
                      "UPDATE t SET v = repeat('x', id % 800); DELETE FROM t")
    assert installed.value("SELECT max(bytes) FROM pgripple.outbox") < 70000
    seen = {"insert": [], "update": [], "delete": []}
    for change in take(installed):
        for side in ("old", "new"):
            assert len(change.get(side, [])) <= 1000
        seen[change["op"]] += [int(image["id"]) for image in
                               change.get("new", change.get("old"))]
    assert {op: sorted(ids) for op, ids in seen.items()} == {
        op: list(range(1, 5001)) for op in seen}


def test_a_session_warmed_by_small_statements_is_quick_with_large(installed):
    """plpgsql keeps the plans of the first statements: nested loops over
    100,000 old and as many new rows would take minutes."""
    installed.execute("CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0);"
                      "INSERT INTO t SELECT n FROM generate_series(1, 100000) n")
    watch(installed, "t", "id")
    for _ in range(8):
        installed.execute("UPDATE t SET n = n + 1 WHERE id = 1;"
                          "UPDATE t SET n = n + 1 WHERE id < 3")
    take(installed)
    installed.execute("SET statement_timeout = '10s'; UPDATE t SET n = n + 1")
    assert sum(len(change["new"]) for change in take(installed)) == 100000
