/*
 * The catalog, on a real server.
 */
#include "postgres_tournament.h"

Test(postgres_catalog, tells_the_graph_what_its_columns_are)
{
	struct world world;
	struct pgripple_graph *graph = build_graph(tournament_yaml);
	struct catalog *catalog;
	const struct pgripple_table *team = &graph->tables[1];

	world_open_up(&world);
	(void)world_ask(&world, "%s", tournament_sql);
	catalog = describe(&world, graph);
	expect_no_problem(catalog);
	cr_expect_str_eq(
	    team->columns[column_index(team, "id")].type, "integer");
	cr_expect(team->columns[column_index(team, "id")].text_equality);
	cr_expect_str_eq(catalog->tables[1].quoted, "public.app_team");
	cr_expect_eq(catalog->tables[1].watch, CATALOG_UNWATCHED);
	cr_expect_not(catalog->installed);
	cr_expect_null(catalog->version);
	catalog_free(catalog);
	pgripple_graph_free(graph);
	world_close(&world);
}

static const char types_yaml[] = "models:\n"
				 "  a:\n"
				 "    table: Types\n"
				 "    invalidate:\n"
				 "      - \"a:{i2}:{t}:{v}:{c}:{n}:{e}:{d}:{l}"
				 ":{tz}:{j}:{f}\"\n";

Test(postgres_catalog, knows_which_types_have_one_text_for_equal_values)
{
	struct world world;
	struct pgripple_graph *graph = build_graph(types_yaml);
	struct catalog *catalog;
	static const struct {
		const char *name, *type;
		bool text_equality;
	} expected[] = {
	    {"i2", "smallint", true},
	    {"t", "text", true},
	    {"v", "character varying", true},
	    {"c", "bpchar", false},
	    {"n", "numeric", false},
	    {"e", "public.mood", true},
	    {"d", "bigint", true},
	    {"l", "text", false},
	    {"tz", "timestamp with time zone", true},
	    {"j", "json", false},
	    {"f", "double precision", false},
	};

	world_open_up(&world);
	(void)world_ask(&world,
	    "CREATE TYPE mood AS ENUM ('x');"
	    "CREATE DOMAIN base AS bigint; CREATE DOMAIN top AS base;"
	    "CREATE COLLATION lax (provider = icu, locale = 'und', "
	    "deterministic = false);"
	    "CREATE TABLE types (i2 smallint, t text, v varchar(9), "
	    "c char(3), n numeric, e mood, d top, l text COLLATE lax, "
	    "tz timestamptz, j json, f float8)");
	catalog = describe(&world, graph);
	expect_no_problem(catalog);
	for (size_t i = 0; i < N_ELEMENTS(expected); i++) {
		const struct pgripple_column *column =
		    &graph->tables[0].columns[column_index(
			&graph->tables[0], expected[i].name)];

		cr_expect_str_eq(column->type, expected[i].type);
		cr_expect_eq(column->text_equality, expected[i].text_equality,
		    "%s", expected[i].name);
	}
	catalog_free(catalog);
	pgripple_graph_free(graph);
	world_close(&world);
}

Test(postgres_catalog, lists_all_problems_at_their_place)
{
	struct world world;
	struct pgripple_graph *graph =
	    build_graph("models:\n"
			"  a:\n"
			"    table: app_taem\n"
			"    invalidate: [\"a:{id}\"]\n"
			"  b:\n"
			"    table: app_team\n"
			"    ignore: [noet]\n"
			"    invalidate: [\"b:{id}:{titel}\"]\n"
			"  c:\n"
			"    table: some_view\n"
			"    invalidate: [\"c:{id}\"]\n"
			"  d:\n"
			"    table: parted\n"
			"    invalidate: [\"d:{id}\"]\n"
			"relations:\n"
			"  - b.id -> d.day\n"
			"  - b.id -> b.place\n");
	struct catalog *catalog;

	world_open_up(&world);
	(void)world_ask(&world,
	    "CREATE TABLE app_team (id int, title text, note text, "
	    "place point);"
	    "CREATE VIEW some_view AS SELECT 1 AS id;"
	    "CREATE TABLE parted (id int, day date) PARTITION BY LIST (id)");
	catalog = describe(&world, graph);
	expect_problem(catalog, 0, 3,
	    "table \"public.app_taem\" does not exist",
	    "Did you mean \"app_team\"?");
	expect_problem(catalog, 1, 7,
	    "table \"public.app_team\" has no column \"noet\"",
	    "Did you mean \"note\"?");
	expect_problem(catalog, 2, 8,
	    "table \"public.app_team\" has no column \"titel\"",
	    "Did you mean \"title\"?");
	expect_problem(catalog, 3, 10,
	    "\"public.some_view\" is a view, which cannot be watched", "");
	expect_problem(catalog, 4, 16,
	    "relation \"b.id -> d.day\" compares \"b.id\" (integer) with "
	    "\"d.day\" (date), which cannot be compared",
	    "");
	expect_problem(catalog, 5, 17,
	    "relation \"b.id -> b.place\" compares \"b.id\" (integer) with "
	    "\"b.place\" (point), which cannot be compared",
	    "");
	cr_expect_eq(catalog->problems.n_items, 6);
	catalog_free(catalog);
	pgripple_graph_free(graph);
	world_close(&world);
}
