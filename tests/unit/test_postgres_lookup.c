/*
 * Lookups, on a real server.
 */
#include "postgres_tournament.h"

#include "postgres/lookup.h"

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
