/*
 * The walk on graphs of every shape: trees, cycles, diamonds, alternatives,
 * tables with two models, composite keys.
 */
#include <pgripple/walk.h>

#include <criterion/criterion.h>

#include "base/util.h"

#include "build_graph.h"
#include "fake_database.h"

static struct pgripple_graph *graph;
static struct pgripple_walk *walk;
static struct fake_database db;

static void
tear_down(void)
{
	pgripple_walk_free(walk);
	pgripple_graph_free(graph);
}

TestSuite(walk_shapes, .fini = tear_down);

static void
start(const char *yaml, const struct fake_row *rows, size_t n_rows)
{
	db = (struct fake_database){.rows = rows, .n_rows = n_rows};
	graph = build_graph(yaml);
	walk = pgripple_walk_new(graph, &no_limits);
	cr_assert_not_null(walk);
}

static void
expect(const char *json, const char *plan)
{
	const char *got;

	add_change(walk, graph, json);
	walk_through(walk, &db);
	got = print_plan(walk);
	cr_assert_str_eq(got, plan, "got \"%s\"", got);
}

static const struct fake_row tree_rows[] = {
    {"node", "{\"id\":1,\"parent_id\":null}"},
    {"node", "{\"id\":2,\"parent_id\":1}"},
    {"node", "{\"id\":3,\"parent_id\":1}"},
    {"node", "{\"id\":4,\"parent_id\":2}"},
    {"node", "{\"id\":5,\"parent_id\":4}"},
    {"node", "{\"id\":9,\"parent_id\":null}"},
};

/* A level of the tree is a round: siblings are asked for together. */
Test(walk_shapes, goes_down_a_tree_level_by_level)
{
	start("models:\n"
	      "  node: { table: node, invalidate: [\"node:{id}\"] }\n"
	      "relations:\n"
	      "  - node.id -> node.parent_id\n",
	    tree_rows, N_ELEMENTS(tree_rows));
	expect("{\"table\":\"node\",\"op\":\"update\",\"new\":[],"
	       "\"old\":[{\"id\":1,\"parent_id\":null}]}",
	    "node:1 node:2 node:3 node:4 node:5");
	cr_assert_eq(db.n_lookups, 4);
	cr_assert_eq(db.n_keys, 5);
}

/* From the root down again: the whole tree, and nothing of the other. */
Test(walk_shapes, goes_up_and_down_a_tree)
{
	start("models:\n"
	      "  node: { table: node, invalidate: [\"node:{id}\"] }\n"
	      "relations:\n"
	      "  - node.id -> node.parent_id\n"
	      "  - node.parent_id -> node.id\n",
	    tree_rows, N_ELEMENTS(tree_rows));
	expect("{\"table\":\"node\",\"op\":\"update\",\"new\":[],"
	       "\"old\":[{\"id\":5,\"parent_id\":4}]}",
	    "node:1 node:2 node:3 node:4 node:5");
}

Test(walk_shapes, re_parents_by_both_images)
{
	start("models:\n"
	      "  node: { table: node, invalidate: [\"node:{id}\"] }\n"
	      "relations:\n"
	      "  - node.parent_id -> node.id\n",
	    tree_rows, N_ELEMENTS(tree_rows));
	expect("{\"table\":\"node\",\"op\":\"update\","
	       "\"changed\":[\"parent_id\"],"
	       "\"old\":[{\"id\":5,\"parent_id\":9}],"
	       "\"new\":[{\"id\":5,\"parent_id\":4}]}",
	    "node:1 node:2 node:4 node:5 node:9");
}

Test(walk_shapes, ends_in_a_cycle_of_several_models)
{
	static const struct fake_row rows[] = {
	    {"a", "{\"id\":1,\"b_id\":1}"},
	    {"b", "{\"id\":1,\"c_id\":1}"},
	    {"c", "{\"id\":1,\"a_id\":2}"},
	    {"a", "{\"id\":2,\"b_id\":1}"},
	};

	start("models:\n"
	      "  a: { table: a, invalidate: [\"a:{id}\"] }\n"
	      "  b: { table: b, invalidate: [\"b:{id}\"] }\n"
	      "  c: { table: c, invalidate: [\"c:{id}\"] }\n"
	      "relations:\n"
	      "  - a.b_id -> b.id\n"
	      "  - b.c_id -> c.id\n"
	      "  - c.a_id -> a.id\n",
	    rows, N_ELEMENTS(rows));
	expect("{\"table\":\"a\",\"op\":\"insert\","
	       "\"new\":[{\"id\":1,\"b_id\":1}]}",
	    "a:1 a:2 b:1 c:1");
	cr_assert_eq(db.n_lookups, 3);
}

/* Two ways to one row: it is touched once, and so is what follows. */
Test(walk_shapes, joins_the_ways_of_a_diamond)
{
	static const struct fake_row rows[] = {
	    {"left_", "{\"id\":1,\"top_id\":1,\"end_id\":7}"},
	    {"right_", "{\"id\":1,\"top_id\":1,\"end_id\":7}"},
	};

	start("models:\n"
	      "  top: { table: top, invalidate: [\"top:{id}\"] }\n"
	      "  left: { table: left_, invalidate: [\"left:{id}\"] }\n"
	      "  right: { table: right_, invalidate: [\"right:{id}\"] }\n"
	      "  end: { table: end_, invalidate: [\"end:{id}\"] }\n"
	      "relations:\n"
	      "  - top.id -> left.top_id\n"
	      "  - top.id -> right.top_id\n"
	      "  - left.end_id -> end.id\n"
	      "  - right.end_id -> end.id\n",
	    rows, N_ELEMENTS(rows));
	expect("{\"table\":\"top\",\"op\":\"insert\",\"new\":[{\"id\":1}]}",
	    "end:7 left:1 right:1 top:1");
	cr_assert_eq(pgripple_walk_n_touches(walk), 4);
}

static const char game[] =
    "models:\n"
    "  game: { table: game }\n"
    "  team: { table: team, invalidate: [\"team:{id}\"] }\n"
    "  cup: { table: cup, invalidate: [\"cup:{id}\"] }\n"
    "relations:\n"
    "  - game.home_id -> team.id: { name: home, transitive: false }\n"
    "  - game.away_id -> team.id: { name: away }\n"
    "  - game.home_id -> team.rival_id: { name: rival, enabled: false }\n"
    "  - team.cup_id -> cup.id\n";

static const struct fake_row game_rows[] = {
    {"team", "{\"id\":1,\"cup_id\":5}"},
    {"team", "{\"id\":2,\"cup_id\":6}"},
};

Test(walk_shapes, follows_every_alternative_with_its_own_options)
{
	start(game, game_rows, N_ELEMENTS(game_rows));
	expect("{\"table\":\"game\",\"op\":\"insert\","
	       "\"new\":[{\"home_id\":1,\"away_id\":2}]}",
	    "cup:6 team:1 team:2");
}

/* The one may pass on, the other, which comes first, may not; the values that
 * matter are the same. */
Test(walk_shapes, passes_on_if_one_of_two_alternatives_may)
{
	static const struct fake_row rows[] = {
	    {"cup", "{\"id\":5,\"team_id\":1}"}};

	start("models:\n"
	      "  game: { table: game }\n"
	      "  team: { table: team, invalidate: [\"team:{id}\"] }\n"
	      "  cup: { table: cup, invalidate: [\"cup:{id}\"] }\n"
	      "relations:\n"
	      "  - game.home_id -> team.id: { transitive: false }\n"
	      "  - game.away_id -> team.id\n"
	      "  - team.id -> cup.team_id\n",
	    rows, N_ELEMENTS(rows));
	expect("{\"table\":\"game\",\"op\":\"insert\","
	       "\"new\":[{\"home_id\":1,\"away_id\":1}]}",
	    "cup:5 team:1");
}

Test(walk_shapes, names_the_relation_by_which_it_came)
{
	struct pgripple_error err;
	struct pgripple_path *path;

	start(game, game_rows, N_ELEMENTS(game_rows));
	expect("{\"table\":\"game\",\"op\":\"insert\","
	       "\"new\":[{\"home_id\":null,\"away_id\":2}]}",
	    "cup:6 team:2");
	cr_assert_eq(pgripple_walk_report(walk, 0, NULL, NULL, &path, &err), 0);
	cr_assert_null(path->relation);
	cr_assert_str_eq(path->next->relation->name, "away");
	cr_assert_str_eq(
	    path->next->next->relation->name, "team.cup_id -> cup.id");
}

/* One model is reached from many, by other columns each. */
Test(walk_shapes, reaches_one_model_from_many)
{
	static const struct fake_row rows[] = {
	    {"page", "{\"id\":1,\"author_id\":7,\"topic_id\":8}"},
	    {"page", "{\"id\":2,\"author_id\":7,\"topic_id\":9}"},
	};

	start("models:\n"
	      "  page: { table: page, invalidate: [\"page:{id}\"] }\n"
	      "  author: { table: author }\n"
	      "  topic: { table: topic }\n"
	      "  comment: { table: comment }\n"
	      "relations:\n"
	      "  - author.id -> page.author_id\n"
	      "  - topic.id -> page.topic_id\n"
	      "  - comment.page_id -> page.id\n",
	    rows, N_ELEMENTS(rows));
	add_change(walk, graph,
	    "{\"table\":\"topic\",\"op\":\"insert\",\"new\":[{\"id\":8}]}");
	add_change(walk, graph,
	    "{\"table\":\"comment\",\"op\":\"insert\","
	    "\"new\":[{\"page_id\":3}]}");
	expect("{\"table\":\"author\",\"op\":\"insert\",\"new\":[{\"id\":7}]}",
	    "page:1 page:2 page:3");
}

/* Only the model that a relation names is reached, not its neighbour on the
 * table; a change of the table is of both. */
Test(walk_shapes, keeps_two_models_of_one_table_apart)
{
	static const char yaml[] =
	    "models:\n"
	    "  user: { table: person, invalidate: [\"user:{id}\"] }\n"
	    "  coach: { table: person, invalidate: [\"coach:{id}\"] }\n"
	    "  team: { table: team, invalidate: [\"team:{id}\"] }\n"
	    "relations:\n"
	    "  - team.coach_id -> coach.id\n"
	    "  - coach.id -> team.coach_id: { ops: [delete] }\n";
	static const struct fake_row rows[] = {
	    {"team", "{\"id\":3,\"coach_id\":1}"},
	};

	start(yaml, rows, N_ELEMENTS(rows));
	expect("{\"table\":\"team\",\"op\":\"insert\","
	       "\"new\":[{\"id\":3,\"coach_id\":1}]}",
	    "coach:1 team:3");
	tear_down();
	start(yaml, rows, N_ELEMENTS(rows));
	expect("{\"table\":\"person\",\"op\":\"insert\",\"new\":[{\"id\":1}]}",
	    "coach:1 user:1");
	tear_down();
	start(yaml, rows, N_ELEMENTS(rows));
	expect("{\"table\":\"person\",\"op\":\"delete\",\"old\":[{\"id\":1}]}",
	    "coach:1 team:3 user:1");
}

/* Of a composite match every column counts; what gives all that is needed
 * needs no lookup. */
Test(walk_shapes, matches_composite_keys_without_a_lookup_where_it_can)
{
	static const char yaml[] =
	    "models:\n"
	    "  ticket: { table: ticket }\n"
	    "  seat: { table: seat, invalidate: [\"seat:{hall}:{id}\"] }\n"
	    "relations:\n"
	    "  - ticket.(hall, seat) -> seat.(hall, id)\n";

	start(yaml, NULL, 0);
	expect("{\"table\":\"ticket\",\"op\":\"update\","
	       "\"old\":[{\"hall\":1,\"seat\":2}],"
	       "\"new\":[{\"hall\":2,\"seat\":2},{\"hall\":2,\"seat\":null}]}",
	    "seat:1:2 seat:2:2");
	cr_assert_eq(db.n_lookups, 0);
}

/* One numeric column among them is enough for a lookup. */
Test(walk_shapes, looks_composite_keys_up_where_one_column_may_be_respelled)
{
	static const struct fake_row rows[] = {
	    {"seat", "{\"hall\":1,\"num\":2.0}"}};

	start("models:\n"
	      "  ticket: { table: ticket }\n"
	      "  seat: { table: seat, invalidate: [\"seat:{hall}:{num}\"] }\n"
	      "relations:\n"
	      "  - ticket.(hall, num) -> seat.(hall, num)\n",
	    rows, N_ELEMENTS(rows));
	expect("{\"table\":\"ticket\",\"op\":\"insert\","
	       "\"new\":[{\"hall\":1,\"num\":2.0}]}",
	    "seat:1:2.0");
	cr_assert_eq(db.n_lookups, 1);
}

/* A dependent row has rules for its own changes only, and passes on. */
Test(walk_shapes, passes_through_rows_whose_rules_are_for_their_own_changes)
{
	static const struct fake_row rows[] = {{"b", "{\"id\":1,\"c_id\":1}"}};

	start("models:\n"
	      "  a: { table: a }\n"
	      "  b:\n"
	      "    table: b\n"
	      "    invalidate:\n"
	      "      - { key: \"b:{id}\", own_change_only: true }\n"
	      "  c: { table: c, invalidate: [\"c:{id}\"] }\n"
	      "relations:\n"
	      "  - a.b_id -> b.id\n"
	      "  - b.c_id -> c.id\n",
	    rows, N_ELEMENTS(rows));
	add_change(walk, graph,
	    "{\"table\":\"a\",\"op\":\"insert\",\"new\":[{\"b_id\":1}]}");
	walk_through(walk, &db);
	cr_assert_str_eq(print_plan(walk), "c:1");
	expect("{\"table\":\"b\",\"op\":\"delete\","
	       "\"old\":[{\"id\":1,\"c_id\":1}]}",
	    "b:1 c:1");
}
