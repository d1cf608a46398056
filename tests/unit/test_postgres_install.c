/*
 * The installation, on a real server.
 */
#include "postgres_tournament.h"

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
