/*
 * Rows that were asked for by hand: what is given of them, what is found.
 */
#include <pgripple/walk.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#include "build_graph.h"
#include "fake_database.h"

static const char yaml[] =
    "models:\n"
    "  tournament:\n"
    "    table: tournament\n"
    "    invalidate:\n"
    "      - \"tournament:{id}\"\n"
    "      - { key: list, own_change_only: true }\n"
    "  team: { table: team, invalidate: [\"team:{id}\"] }\n"
    "  roster: { table: team, invalidate: [\"roster:{id}\"] }\n"
    "  user:\n"
    "    table: user_\n"
    "    invalidate:\n"
    "      - { key: \"user:{id}\", ops: [delete] }\n"
    "  member: { table: member }\n"
    "relations:\n"
    "  - team.tournament_id -> tournament.id\n"
    "  - user.id -> member.user_id: { changed: [nickname] }\n"
    "  - member.team_id -> team.id: { transitive: false }\n";

static const struct fake_row rows[] = {
    {"tournament", "{\"id\":1}"},
    {"team", "{\"id\":10,\"tournament_id\":1}"},
    {"team", "{\"id\":11,\"tournament_id\":1}"},
    {"team", "{\"id\":12,\"tournament_id\":2}"},
    {"team", "{\"id\":13,\"tournament_id\":null}"},
    {"member", "{\"user_id\":100,\"team_id\":10}"},
};

static struct pgripple_graph *graph;
static struct pgripple_limits limits;
static struct pgripple_walk *walk;
static struct fake_database db;

static void
set_up(void)
{
	limits = no_limits;
	graph = build_graph(yaml);
	db = (struct fake_database){.rows = rows, .n_rows = N_ELEMENTS(rows)};
}

static void
tear_down(void)
{
	pgripple_walk_free(walk);
	pgripple_graph_free(graph);
}

TestSuite(walk_by_hand, .init = set_up, .fini = tear_down);

static void
ask(const char *model, const char *images)
{
	char json[256];

	if (walk == NULL)
		walk = pgripple_walk_new(graph, &limits);
	(void)snprintf(json, sizeof(json),
	    "{\"op\":\"invalidate\",\"model\":\"%s\",%s}", model, images);
	add_change(walk, graph, json);
}

static void
expect(const char *plan)
{
	const char *got;

	walk_through(walk, &db);
	got = print_plan(walk);
	cr_assert_str_eq(got, plan, "got \"%s\"", got);
}

Test(walk_by_hand, needs_no_lookup_where_all_is_given)
{
	ask("tournament", "\"new\":[{\"id\":7}]");
	ask("team", "\"new\":[{\"id\":99,\"tournament_id\":2}]");
	ask("team", "\"new\":[{\"id\":98,\"tournament_id\":null}]");
	expect("list team:98 team:99 tournament:2 tournament:7");
	cr_assert_eq(db.n_lookups, 0);
}

Test(walk_by_hand, looks_the_rest_of_a_row_up)
{
	ask("team", "\"new\":[{\"id\":10},{\"id\":12}]");
	ask("team", "\"new\":[{\"id\":13}]");
	ask("team", "\"new\":[{\"id\":10}]");
	expect("team:10 team:12 team:13 tournament:1 tournament:2");
	cr_assert_eq(db.n_lookups, 1);
	cr_assert_eq(db.n_keys, 3);
}

Test(walk_by_hand, touches_all_rows_that_are_found)
{
	ask("team", "\"new\":[{\"tournament_id\":1}]");
	expect("team:10 team:11 tournament:1");
}

Test(walk_by_hand, touches_what_is_known_of_a_row_that_is_not_found)
{
	ask("team", "\"new\":[{\"id\":10},{\"id\":99}]");
	expect("team:10 team:99 tournament:1 ~tournament:*");
}

Test(walk_by_hand, does_not_look_up_by_null)
{
	ask("team", "\"new\":[{\"tournament_id\":null}]");
	expect("~team:*");
	cr_assert_eq(db.n_lookups, 0);
}

Test(walk_by_hand, keeps_rows_apart_of_which_other_columns_are_given)
{
	ask("team", "\"new\":[{\"id\":10},{\"tournament_id\":2},{\"id\":11,"
		    "\"tournament_id\":1}]");
	expect("team:10 team:11 team:12 tournament:1 tournament:2");
	cr_assert_eq(db.n_lookups, 2);
}

Test(walk_by_hand, leaves_other_models_of_the_table_alone)
{
	ask("roster", "\"new\":[{\"id\":10}]");
	expect("roster:10");
}

Test(walk_by_hand, touches_a_whole_model)
{
	ask("team", "\"whole\":\"by hand\"");
	expect("~team:* ~tournament:*");
}

Test(walk_by_hand, passes_conditions_on_what_was_done_to_a_row)
{
	ask("user", "\"new\":[{\"id\":100}]");
	expect("team:10 user:100");
}

Test(walk_by_hand, touches_what_is_known_when_too_much_is_found)
{
	limits.lookup_rows = 1;
	ask("team", "\"new\":[{\"tournament_id\":1}]");
	expect("team:10 tournament:1 ~team:*");
	cr_assert_eq(pgripple_walk_n_escalations(walk), 1);
}

Test(walk_by_hand, touches_what_is_known_when_too_much_is_asked)
{
	limits.lookup_keys = 1;
	ask("team", "\"new\":[{\"id\":10},{\"id\":11}]");
	expect("team:10 team:11 ~tournament:*");
	cr_assert_eq(db.n_lookups, 0);
}

/* The database calls 010 and 10 equal; we cannot know which was asked for. */
Test(walk_by_hand, trusts_no_row_that_is_spelled_differently)
{
	static const char image[] = "{\"id\":10,\"tournament_id\":1}";
	struct pgripple_row row;
	struct pgripple_error err;

	ask("team", "\"new\":[{\"id\":\"010\"}]");
	cr_assert_eq(pgripple_walk_step(walk, &err), PGRIPPLE_WALK_LOOKUPS);
	cr_assert_eq(pgripple_row_decode(pgripple_walk_arena(walk),
			 pgripple_walk_lookup(walk, 0)->model->table, image,
			 strlen(image), &row, &err),
	    0);
	cr_assert_eq(pgripple_walk_answer(walk, 0, &row, &err), 0);
	expect("team:010 team:10 tournament:1 ~tournament:*");
}

static void
expect_paths(size_t number, size_t n_rows, size_t n_dependent)
{
	struct pgripple_path *path;
	struct pgripple_error err;

	cr_assert_eq(
	    pgripple_walk_report(walk, number, NULL, NULL, &path, &err), 0);
	cr_assert_str_eq(path->model->name, "team");
	cr_assert_null(path->relation);
	cr_assert_eq(path->n_rows, n_rows);
	path = path->next;
	cr_assert_str_eq(path->model->name, "tournament");
	cr_assert_eq(path->n_rows, n_dependent);
	cr_assert_null(path->next);
}

Test(walk_by_hand, reports_for_each_change_what_was_found)
{
	ask("team", "\"new\":[{\"tournament_id\":1}]");
	ask("team", "\"new\":[{\"id\":11},{\"id\":12}]");
	ask("team", "\"new\":[{\"id\":12}]");
	walk_through(walk, &db);
	expect_paths(0, 2, 1);
	expect_paths(1, 2, 2);
	expect_paths(2, 1, 1);
}
