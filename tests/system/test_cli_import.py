"""pgripple import postgres: what it prints must pass "check" as it is, and
with all of its relations uncommented."""

import os
import re

import pytest

from harness.process import free_port

SHOP = """
    CREATE SCHEMA shop;
    CREATE TABLE shop.customer (
        tenant int, id int, name text, PRIMARY KEY (tenant, id));
    CREATE TABLE shop.orders (
        id bigint PRIMARY KEY, tenant int, customer_id int,
        FOREIGN KEY (tenant, customer_id) REFERENCES shop.customer);
    CREATE TABLE shop.orders_line (
        id bigint PRIMARY KEY, order_id bigint REFERENCES shop.orders);
    CREATE TABLE node (
        id int PRIMARY KEY, parent_id int REFERENCES node,
        twice_id int REFERENCES node, CHECK (id > 0));
    ALTER TABLE node ADD FOREIGN KEY (twice_id) REFERENCES node;
    CREATE TABLE "null" (id int PRIMARY KEY);
    CREATE TABLE "Größe: ""x"" {y}" (
        "my ""col"" {z}" int PRIMARY KEY, "it's: #1" int REFERENCES node);
    CREATE TABLE "my table" (id int PRIMARY KEY);
    CREATE TABLE "my-table" (id int PRIMARY KEY);
    CREATE TABLE customer (id int PRIMARY KEY);
    CREATE TABLE log_lines (at timestamptz, text text);
    CREATE TABLE friend (
        a_id int REFERENCES customer, b_id int REFERENCES customer,
        PRIMARY KEY (a_id, b_id));
    -- Not links: two keys that share a column, and one that is referred to.
    CREATE TABLE pair (
        tenant int, a_id int, b_id int, note text,
        FOREIGN KEY (tenant, a_id) REFERENCES shop.customer,
        FOREIGN KEY (tenant, b_id) REFERENCES shop.customer);
    CREATE TABLE member (
        id int PRIMARY KEY, customer_id int REFERENCES customer,
        node_id int REFERENCES node);
    CREATE TABLE badge (
        id int PRIMARY KEY, member_id int REFERENCES member);
    CREATE TABLE arrow (
        id int PRIMARY KEY, "a->b" int REFERENCES node);
    CREATE TABLE measure (
        id int, day date, node_id int REFERENCES node,
        PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE measure_2024 PARTITION OF measure
        FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE VIEW seen AS SELECT * FROM node;
    CREATE MATERIALIZED VIEW seen_once AS SELECT * FROM node;
    CREATE FOREIGN DATA WRAPPER far;
    CREATE SERVER away FOREIGN DATA WRAPPER far;
    CREATE FOREIGN TABLE far_away (id int) SERVER away;
    CREATE UNLOGGED TABLE quick (id int PRIMARY KEY);
"""


@pytest.fixture
def shop(database):
    database.execute(SHOP)
    return database


def imported(cli, database, *more):
    done = cli("import", "postgres", "--conninfo", database.conninfo(), *more)
    assert done.status == 0 and done.stderr == ""
    return done.stdout


def uncommented(text):
    return re.sub(r"(?m)^#(  - )", r"\1", text)


def relations(text):
    return re.findall(r"(?m)^#  - (.*)$", text)


def models(text):
    """name -> table, as they are written."""
    return dict(re.findall(r"(?m)^  (\S+):\n    table: (.*)$", text))


def expect_good(cli, config, text):
    """The file is good, and so is every table and column it names."""
    for graph in (text, uncommented(text)):
        config.write(config.graph_path, graph)
        done = cli("check", "--offline", "-c", config.path)
        assert done.status == 0, done.stdout + done.stderr
        done = cli("install", "-c", config.path)
        assert done.status == 0, done.stderr
        done = cli("graph", "-c", config.path)
        assert done.status == 0 and "no such table" not in done.stdout


def test_the_tournament_becomes_a_graph(cli, tournament, redis_server,
                                        make_config):
    text = imported(cli, tournament)
    found = models(text)
    assert found["tournament"] == "app_tournament"
    assert found["customuser"] == "app_customuser"
    assert 'invalidate: ["team:{id}"]' in text
    assert ("  team_members:\n    table: app_team_members\n"
            "    # a link table: it only passes changes on\n") in text
    lines = relations(text)
    assert "team.tournament_id -> tournament.id" in lines
    assert "tournament.id -> team.tournament_id" in lines
    assert "game.dire_team_id -> team.id" in lines
    # Many to many, there and back.
    there = lines.index("customuser.id -> team_members.customuser_id")
    assert lines[there + 1] == (
        "team_members.team_id -> team.id: { transitive: false }")
    back = lines.index("team.id -> team_members.team_id")
    assert lines[back + 1] == (
        "team_members.customuser_id -> customuser.id: { transitive: false }")
    config = make_config(tournament.conninfo(), redis_server.url, text)
    expect_good(cli, config, text)


def test_whatever_a_schema_may_have_passes_check(cli, shop, redis_server,
                                                 make_config):
    text = imported(cli, shop)
    config = make_config(shop.conninfo(), redis_server.url, text)
    expect_good(cli, config, text)
    # With pgripple's own tables beside them.
    assert imported(cli, shop) == text


def test_models_are_tables_and_nothing_else(cli, shop):
    found = models(imported(cli, shop))
    tables = [table.strip("'") for table in found.values()]
    assert sorted(tables) == sorted([
        "shop.customer", "shop.orders", "shop.orders_line", "node", "null",
        '"Größe: ""x"" {y}"', '"my table"', '"my-table"', "customer",
        "log_lines", "friend", "arrow", "measure", "quick", "pair", "member",
        "badge"])
    assert found["customer"] == "customer"
    assert found["shop_customer"] == "shop.customer"
    # "orders" is a table: no prefix.
    assert found["orders_line"] == "shop.orders_line"
    assert found["my_table"] != found["my_table_2"]


def test_keys_and_relations_are_those_of_the_schema(cli, shop):
    text = imported(cli, shop)
    lines = relations(text)
    assert 'invalidate: ["shop_customer:{tenant}:{id}"]' in text
    assert "orders.(tenant, customer_id) -> shop_customer.(tenant, id)" in lines
    assert "shop_customer.(tenant, id) -> orders.(tenant, customer_id)" in lines
    assert "node.parent_id -> node.id" in lines
    assert "node.id -> node.parent_id" in lines
    # Two foreign keys of the same columns are one relation.
    assert lines.count("node.twice_id -> node.id") == 1
    assert "measure.node_id -> node.id" in lines
    assert "customer.id -> friend.a_id" in lines
    assert "friend.b_id -> customer.id: { transitive: false }" in lines
    assert any('."it\'\'s: #1" -> node.id' in line for line in lines)
    assert not any("a->b" in line for line in lines)
    assert "names or number of the columns do not go into a relation" in text
    assert "no primary key" in text
    assert re.findall(r"(?m)^  (\S+):\n.*\n    # a link table", text) == [
        "friend"]


def test_only_what_was_asked_for(cli, shop):
    text = imported(cli, shop, "--schema", "shop")
    assert sorted(models(text)) == ["customer", "orders", "orders_line"]
    text = imported(cli, shop, "--table", "ord*", "--table", "public.no?e")
    assert sorted(models(text)) == ["node", "orders", "orders_line"]
    assert "orders_line.order_id -> orders.id" in relations(text)
    assert not any("customer" in line for line in relations(text))
    # Most of these begin with "orders_", which is no prefix: "orders" is there.
    shop.execute("CREATE TABLE shop.orders_note (id int PRIMARY KEY);"
                 "CREATE TABLE shop.orders_tax (id int PRIMARY KEY)")
    text = imported(cli, shop, "--table", "orders*")
    assert sorted(models(text)) == [
        "orders", "orders_line", "orders_note", "orders_tax"]


@pytest.mark.parametrize("args, error", [
    (["--table", "app_*"], 'no table matches "app_*"'),
    (["--schema", "shpo"], 'no table is in schema "shpo"'),
])
def test_what_is_not_there_is_an_error(cli, shop, args, error):
    done = cli("import", "postgres", "--conninfo", shop.conninfo(), *args)
    assert done.status == 1 and done.stdout == ""
    assert done.stderr == f"pgripple: error: {error}\n"


def test_an_empty_database_is_an_error(cli, database):
    done = cli("import", "postgres", "--conninfo", database.conninfo())
    assert done.status == 1 and done.stdout == ""
    assert done.stderr == "pgripple: error: the database has no tables\n"


def test_settings_will_do_instead_of_conninfo(cli, shop, redis_server,
                                              make_config):
    config = make_config(shop.conninfo(), redis_server.url, "")
    done = cli("import", "postgres", "-c", config.path)
    assert done.status == 0 and done.stdout == imported(cli, shop)
    done = cli("import", "postgres", "-c", config.path + ".none")
    assert done.status == 78


def test_a_graph_is_written_over_only_by_force(cli, shop, redis_server,
                                               make_config):
    config = make_config(shop.conninfo(), redis_server.url, "precious: true\n")
    args = ["import", "postgres", "-c", config.path, "--output",
            config.graph_path]
    done = cli(*args)
    assert done.status == 1 and "Give --force" in done.stderr
    with open(config.graph_path, encoding="utf-8") as file:
        assert file.read() == "precious: true\n"
    assert cli(*args, "--force").status == 0
    assert cli("check", "--offline", "-c", config.path).status == 0
    os.remove(config.graph_path)
    assert cli(*args).status == 0
    assert cli("check", "--offline", "-c", config.path).status == 0


@pytest.mark.parametrize("words", [[], ["mysql"]])
def test_another_source_is_a_mistake(cli, words):
    done = cli("import", *words)
    assert done.status == 64
    assert 'hint: Write "pgripple import postgres".' in done.stderr


def test_a_server_that_is_not_there_is_told(cli):
    done = cli("import", "postgres", "--conninfo",
               f"host=127.0.0.1 port={free_port()} dbname=app")
    assert done.status == 69 and done.stdout == ""
