/*
 * The catalog, lookups and the installation, on a real server.
 */
#include "postgres_installed.h"

#include "build_graph.h"
#include "postgres/catalog.h"
#include "postgres/lookup.h"

static const char tournament_yaml[] =
    "models:\n"
    "  tournament:\n"
    "    table: app_tournament\n"
    "    invalidate: [\"tournament:{id}:{name}\"]\n"
    "  team:\n"
    "    table: app_team\n"
    "    ignore: [note]\n"
    "    invalidate: [\"team:{id}\"]\n"
    "  round:\n"
    "    table: app_round\n"
    "    invalidate: [\"round:{id}\"]\n"
    "relations:\n"
    "  - team.tournament_id -> tournament.id\n"
    "  - round.captain_id -> team.captain_id\n"
    "  - round.(a, b) -> team.(id, captain_id)\n";

static const char tournament_sql[] =
    "CREATE TABLE app_tournament (id bigint PRIMARY KEY, name text);"
    "CREATE TABLE app_team (id integer PRIMARY KEY, tournament_id bigint,"
    " captain_id bigint, note text);"
    "CREATE TABLE app_round (id bigint PRIMARY KEY, captain_id integer,"
    " a bigint, b integer);"
    "INSERT INTO app_tournament VALUES (7, 'Cup \"A\"'), (8, NULL);"
    "INSERT INTO app_team VALUES (1, 7, 100), (2, 7, 100), (3, 8, 101);";

struct described {
	int n_calls;
	enum session_outcome outcome;
	struct catalog *catalog;
	struct pgripple_error err;
};

static void
on_described(void *context, enum session_outcome outcome,
    struct catalog *catalog, const struct pgripple_error *err)
{
	struct described *described = context;

	described->n_calls++;
	described->outcome = outcome;
	described->catalog = catalog;
	if (err != NULL)
		described->err = *err;
}

static struct catalog *
describe(struct world *world, struct pgripple_graph *graph)
{
	struct described described = {0};

	CHECK(catalog_describe_submit(
	    world->session, SCHEMA, graph, on_described, &described, err));
	world_until(world, described.n_calls == 1);
	cr_assert_eq(described.outcome, SESSION_DONE, "%s", described.err.text);
	return described.catalog;
}

static void
expect_problem(const struct catalog *catalog, size_t i, int line,
    const char *text, const char *hint)
{
	const struct pgripple_errors *problems = &catalog->problems;

	cr_assert_lt(i, problems->n_items, "no problem: %s", text);
	cr_expect_eq(problems->items[i].at.line, line, "%s at line %d",
	    problems->items[i].text, problems->items[i].at.line);
	cr_expect_str_eq(problems->items[i].text, text);
	cr_expect_str_eq(problems->items[i].hint, hint);
}

static void
expect_no_problem(const struct catalog *catalog)
{
	cr_expect_eq(catalog->problems.n_items, 0, "%s",
	    catalog->problems.n_items > 0 ? catalog->problems.items[0].text
					  : "");
}

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

/* ---- lookups ---- */

struct found {
	int n_calls;
	enum session_outcome outcome;
	size_t n;
	char rows[8][256];
	struct pgripple_error err;
};

static int
compare_rows(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
on_found(void *context, enum session_outcome outcome,
    const struct lookup_row *rows, size_t n_rows,
    const struct pgripple_error *err)
{
	struct found *found = context;

	found->n_calls++;
	found->outcome = outcome;
	found->n = n_rows;
	if (err != NULL)
		found->err = *err;
	for (size_t i = 0; i < n_rows && i < N_ELEMENTS(found->rows); i++)
		(void)snprintf(found->rows[i], sizeof(found->rows[i]), "%.*s",
		    (int)rows[i].length, rows[i].image);
	qsort(found->rows, n_rows < 8 ? n_rows : 8, sizeof(found->rows[0]),
	    compare_rows);
}

/* Looks up n_keys keys, whose values stand one after the other; wanted is one
 * column, or NULL. */
static struct found
look_up(struct world *world, const struct pgripple_graph *graph,
    const struct catalog *catalog, size_t relation, const char *wanted,
    const char *const *keys, size_t n_keys, size_t max_rows)
{
	const struct pgripple_relation *r = &graph->relations[relation];
	struct pgripple_value values[16];
	struct pgripple_lookup lookup = {
	    .relation = r,
	    .model = r->to,
	    .columns = r->to_columns,
	    .n_columns = r->n_columns,
	    .keys = values,
	    .n_keys = n_keys,
	};
	struct found found = {0};

	for (size_t i = 0; i < n_keys * r->n_columns; i++)
		values[i] = (struct pgripple_value){
		    PGRIPPLE_VALUE_TEXT, (uint32_t)strlen(keys[i]), keys[i]};
	if (wanted != NULL)
		pgripple_columns_add(
		    &lookup.wanted, column_index(r->to->table, wanted));
	CHECK(lookup_submit(world->session, graph, catalog, &lookup, max_rows,
	    on_found, &found, err));
	world_until(world, found.n_calls == 1);
	cr_expect_eq(found.outcome, SESSION_DONE, "%s", found.err.text);
	return found;
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__})

struct scene {
	struct world world;
	struct pgripple_graph *graph;
	struct catalog *catalog;
};

static void
scene_open(struct scene *scene, const char *yaml, const char *sql)
{
	scene->graph = build_graph(yaml);
	world_open_installed(&scene->world);
	(void)world_ask(&scene->world, "%s", sql);
	scene->catalog = describe(&scene->world, scene->graph);
	expect_no_problem(scene->catalog);
}

static void
scene_close(struct scene *scene)
{
	catalog_free(scene->catalog);
	pgripple_graph_free(scene->graph);
	world_close(&scene->world);
}

Test(postgres_lookup, finds_rows_by_one_column)
{
	struct scene scene;
	struct found found;

	scene_open(&scene, tournament_yaml, tournament_sql);
	found = look_up(&scene.world, scene.graph, scene.catalog, 0, "name",
	    KEYS("7", "8", "9"), 3, 100);
	cr_assert_eq(found.n, 2);
	cr_expect_str_eq(found.rows[0], "{\"name\":\"Cup \\\"A\\\"\"}");
	cr_expect_str_eq(found.rows[1], "{\"name\":null}");
	scene_close(&scene);
}

Test(postgres_lookup, finds_rows_by_two_columns_of_other_types)
{
	struct scene scene;
	struct found found;

	scene_open(&scene, tournament_yaml, tournament_sql);
	found = look_up(&scene.world, scene.graph, scene.catalog, 2, "id",
	    KEYS("1", "100", "2", "101", "3", "101"), 3, 100);
	cr_assert_eq(found.n, 2);
	cr_expect_str_eq(found.rows[0], "{\"id\":1}");
	cr_expect_str_eq(found.rows[1], "{\"id\":3}");
	scene_close(&scene);
}

Test(postgres_lookup, gives_one_row_more_than_the_limit)
{
	struct scene scene;

	scene_open(&scene, tournament_yaml, tournament_sql);
	cr_expect_eq(look_up(&scene.world, scene.graph, scene.catalog, 1, "id",
			 KEYS("100"), 1, 1)
			 .n,
	    2);
	cr_expect_eq(look_up(&scene.world, scene.graph, scene.catalog, 1, "id",
			 KEYS("100"), 1, 2)
			 .n,
	    2);
	scene_close(&scene);
}

Test(postgres_lookup, says_only_that_there_is_a_row_if_nothing_is_wanted)
{
	struct scene scene;
	struct found found;

	scene_open(&scene, tournament_yaml, tournament_sql);
	found = look_up(&scene.world, scene.graph, scene.catalog, 1, NULL,
	    KEYS("100"), 1, 100);
	cr_assert_eq(found.n, 1);
	cr_expect_str_eq(found.rows[0], "{}");
	cr_expect_eq(look_up(&scene.world, scene.graph, scene.catalog, 1, NULL,
			 KEYS("999"), 1, 100)
			 .n,
	    0);
	scene_close(&scene);
}

/* One relation between two columns of any types. */
static void
expect_match(const char *from_type, const char *to_type, const char *key,
    const char *stored, const char *image)
{
	struct scene scene;
	struct found found;
	char sql[512];

	(void)snprintf(sql, sizeof(sql),
	    "CREATE TYPE mood AS ENUM ('sad', 'it''s \"so\\so\"');"
	    "CREATE DOMAIN code AS text; CREATE EXTENSION citext;"
	    "CREATE TABLE f (x %s);"
	    "CREATE TABLE \"to\" (id int, \"my y\" %s);"
	    "INSERT INTO \"to\" VALUES (1, $$%s$$), (2, NULL)",
	    from_type, to_type, stored);
	scene_open(&scene,
	    "models:\n"
	    "  f: {table: f, invalidate: [\"f:{x}\"]}\n"
	    "  t: {table: '\"to\"', invalidate: [\"t:{\\\"my y\\\"}\"]}\n"
	    "relations:\n"
	    "  - 'f.x -> t.\"my y\"'\n",
	    sql);
	found = look_up(&scene.world, scene.graph, scene.catalog, 0, "my y",
	    KEYS(key), 1, 10);
	cr_expect_eq(found.n, 1, "%s -> %s", from_type, to_type);
	cr_expect_str_eq(found.rows[0], image);
	scene_close(&scene);
}

Test(postgres_lookup, compares_by_the_rules_of_the_types)
{
	expect_match("bigint", "smallint", "5", "5", "{\"my y\":5}");
	expect_match("int", "numeric", "5", "5.00", "{\"my y\":5.00}");
	expect_match("numeric", "int", "5.00", "5", "{\"my y\":5}");
}

Test(postgres_lookup, compares_texts_of_all_kinds)
{
	expect_match("text", "varchar(5)", "a\"b\\", "a\"b\\",
	    "{\"my y\":\"a\\\"b\\\\\"}");
	expect_match("char(3)", "char(5)", "a  ", "a", "{\"my y\":\"a    \"}");
	expect_match("code", "text", "x", "x", "{\"my y\":\"x\"}");
}

Test(postgres_lookup, compares_types_that_are_not_the_servers_own)
{
	expect_match("citext", "citext", "ABC", "abc", "{\"my y\":\"abc\"}");
	/* As in SQL: a text makes a text of the other side. */
	expect_match("text", "citext", "abc", "abc", "{\"my y\":\"abc\"}");
	expect_match("mood", "mood", "it's \"so\\so\"", "it's \"so\\so\"",
	    "{\"my y\":\"it's \\\"so\\\\so\\\"\"}");
}

Test(postgres_lookup, compares_what_is_written_in_several_ways)
{
	expect_match("timestamptz", "timestamptz", "2026-01-02T03:04:05+00:00",
	    "2026-01-02 05:04:05+02",
	    "{\"my y\":\"2026-01-02T03:04:05+00:00\"}");
	expect_match("uuid", "uuid", "11111111-2222-3333-4444-555555555555",
	    "11111111222233334444555555555555",
	    "{\"my y\":\"11111111-2222-3333-4444-555555555555\"}");
	expect_match(
	    "bytea", "bytea", "\\x00ff", "\\x00FF", "{\"my y\":\"\\\\x00ff\"}");
}

Test(postgres_lookup, is_refused_before_the_objects_are_installed)
{
	struct world world;
	struct pgripple_graph *graph = build_graph(tournament_yaml);
	struct catalog *catalog;
	struct pgripple_lookup lookup = {
	    .relation = &graph->relations[0],
	    .model = graph->relations[0].to,
	    .columns = graph->relations[0].to_columns,
	    .n_columns = 1,
	};
	struct pgripple_error refusal;

	pgripple_columns_add(&lookup.wanted, 0);
	world_open_up(&world);
	(void)world_ask(&world, "%s", tournament_sql);
	catalog = describe(&world, graph);
	cr_expect_eq(lookup_submit(world.session, graph, catalog, &lookup, 1,
			 on_found, NULL, &refusal),
	    -1);
	cr_expect_eq(refusal.kind, PGRIPPLE_ERROR_INPUT);
	catalog_free(catalog);
	pgripple_graph_free(graph);
	world_close(&world);
}

/* ---- the installation ---- */

static const struct install_options options = {SCHEMA, "always", 100000};
static const struct install_patience patience = {
    .lock_timeout_ms = 200, .n_attempts = 2, .pause_ms = 10};

static struct catalog *
describe_now(struct world *world, struct pgripple_graph *graph)
{
	struct catalog *catalog;

	CHECK(catalog_describe(world->admin, SCHEMA, graph, &catalog, err));
	return catalog;
}

/* Returns how many steps changed something. */
static size_t
run_plan(struct world *world, struct pgripple_graph *graph,
    const struct install_options *what, size_t n_steps)
{
	struct catalog *catalog = describe_now(world, graph);
	struct install_plan *plan;
	size_t n_changed = 0;

	CHECK(install_plan_make(graph, catalog, what, &plan, err));
	cr_expect_eq(plan->n_steps, n_steps, "%zu steps", plan->n_steps);
	for (size_t i = 0; i < plan->n_steps; i++) {
		bool changed = false;

		CHECK(install_run(
		    world->admin, &plan->steps[i], &patience, &changed, err));
		n_changed += changed;
	}
	install_plan_free(plan);
	catalog_free(catalog);
	return n_changed;
}

Test(postgres_install, installs_and_finds_nothing_to_do_the_second_time)
{
	struct world world;
	struct pgripple_graph *graph = build_graph(tournament_yaml);
	struct install_options never = options;
	struct catalog *catalog;

	world_open(&world);
	(void)world_ask(&world, "%s", tournament_sql);
	cr_expect_eq(run_plan(&world, graph, &options, 5), 5);
	catalog = describe_now(&world, graph);
	cr_expect(catalog->installed);
	cr_expect_eq(catalog->schema_version, CATALOG_SCHEMA_VERSION);
	cr_expect_str_eq(catalog->version, PGRIPPLE_VERSION);
	cr_expect_str_eq(catalog->notify_mode, "always");
	for (size_t i = 0; i < graph->n_tables; i++)
		cr_expect_eq(catalog->tables[i].watch, CATALOG_WATCHED, "%s",
		    catalog->tables[i].problem);
	catalog_free(catalog);
	cr_expect_eq(run_plan(&world, graph, &options, 3), 0);
	never.notify_mode = "never";
	cr_expect_eq(run_plan(&world, graph, &never, 4), 1);
	pgripple_graph_free(graph);
	world_close(&world);
}

Test(postgres_install, sees_what_became_of_the_triggers)
{
	struct world world;
	struct pgripple_graph *graph = build_graph(tournament_yaml);
	struct catalog *catalog;

	world_open(&world);
	(void)world_ask(&world, "%s", tournament_sql);
	(void)run_plan(&world, graph, &options, 5);
	(void)world_ask(&world,
	    "DROP TRIGGER pgripple_update ON app_team;"
	    "SELECT pgripple.watch('app_round', '{id,a}');"
	    "CREATE TABLE \"Stray\" (id int PRIMARY KEY);"
	    "SELECT pgripple.watch('\"Stray\"', '{id}');"
	    "SELECT pgripple.watch('app_tournament', '{id,name}', '{name}')");
	catalog = describe_now(&world, graph);
	cr_expect_eq(catalog->tables[0].watch, CATALOG_DIFFERENT);
	cr_expect_str_eq(catalog->tables[0].problem,
	    "what it ignores is not what the graph says");
	cr_expect_eq(catalog->tables[1].watch, CATALOG_BROKEN);
	cr_expect_not_null(
	    strstr(catalog->tables[1].problem, "pgripple_update"));
	cr_expect_eq(catalog->tables[2].watch, CATALOG_DIFFERENT);
	cr_expect_str_eq(catalog->tables[2].problem,
	    "columns the graph needs are not captured: captain_id, b");
	cr_assert_eq(catalog->n_strays, 1);
	cr_expect_str_eq(catalog->strays[0], "public.\"Stray\"");
	catalog_free(catalog);
	/* All is mended, and the stray let go, also when it is gone. */
	(void)world_ask(&world, "DROP TABLE \"Stray\"");
	cr_expect_eq(run_plan(&world, graph, &options, 4), 4);
	cr_expect_eq(run_plan(&world, graph, &options, 3), 0);
	pgripple_graph_free(graph);
	world_close(&world);
}

static void
count_waits(void *context, const struct install_step *step,
    const struct pgripple_error *err)
{
	(*(int *)context)++;
	cr_expect_eq(step->kind, INSTALL_WATCH);
	cr_expect_str_eq(
	    err->text, "canceling statement due to lock timeout (55P03)");
}

Test(postgres_install, gives_way_to_who_holds_a_lock)
{
	struct world world;
	struct pgripple_graph *graph = build_graph(tournament_yaml);
	struct command *holder;
	struct install_plan *plan;
	struct install_patience counting = patience;
	int n_waits = 0;
	bool changed = false;

	world_open(&world);
	(void)world_ask(&world, "%s", tournament_sql);
	world_install(&world, SCHEMA);
	holder = world_connect(world.conninfo);
	CHECK(command_script(holder,
	    "BEGIN; LOCK TABLE public.app_tournament IN ROW EXCLUSIVE MODE",
	    NULL, err));
	counting.on_wait = count_waits;
	counting.context = &n_waits;
	CHECK(install_plan_make(graph, NULL, &options, &plan, err));
	cr_expect_eq(install_run(world.admin, &plan->steps[2], &counting,
			 &changed, NULL),
	    -1);
	cr_expect_eq(n_waits, 1);
	cr_expect_not(changed);
	CHECK(command_script(holder, "COMMIT", NULL, err));
	CHECK(install_run(
	    world.admin, &plan->steps[2], &counting, &changed, err));
	cr_expect(changed);
	command_close(holder);
	install_plan_free(plan);
	pgripple_graph_free(graph);
	world_close(&world);
}

Test(postgres_install, works_under_another_name_and_leaves_nothing)
{
	struct world world;
	struct buf script = BUF_INIT;

	world_open(&world);
	world_install(&world, "order");
	cr_expect_str_eq(
	    world_ask(&world, "SELECT \"order\".notify_mode()"), "always");
	cr_expect_str_eq(
	    world_ask(&world, "CREATE TABLE public.t (id int PRIMARY KEY);"
			      "SELECT \"order\".watch('public.t', '{id}');"
			      "INSERT INTO public.t VALUES (1);"
			      "SELECT count(*) FROM \"order\".outbox"),
	    "1");
	CHECK(install_removal("order", &script, err));
	CHECK(command_script(world.admin, script.bytes, NULL, err));
	buf_done(&script);
	cr_expect_str_eq(
	    world_ask(&world, "SELECT count(*) FROM pg_namespace "
			      "WHERE nspname IN ('order', 'pgripple')"),
	    "0");
	world_close(&world);
}
