/*
 * The walk: what a change leads to, row by row and model by model.
 */
#include <pgripple/walk.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
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

TestSuite(walk, .fini = tear_down);

static void
start_limited(const char *yaml, const struct fake_row *rows, size_t n_rows,
    struct pgripple_limits limits)
{
	db = (struct fake_database){.rows = rows, .n_rows = n_rows};
	graph = build_graph(yaml);
	walk = pgripple_walk_new(graph, &limits);
	cr_assert_not_null(walk);
}

static void
start(const char *yaml, const struct fake_row *rows, size_t n_rows)
{
	start_limited(yaml, rows, n_rows, no_limits);
}

static void
change(const char *json)
{
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

/* One more way to the same: a walk of its own for one change. */
static void
restart(void)
{
	pgripple_walk_free(walk);
	walk = pgripple_walk_new(graph, &no_limits);
	cr_assert_not_null(walk);
	db.n_lookups = db.n_keys = 0;
}

static const char tournament[] =
    "models:\n"
    "  tournament:\n"
    "    table: tournament\n"
    "    invalidate:\n"
    "      - \"tournament:{id}\"\n"
    "      - key: list\n"
    "        own_change_only: true\n"
    "  team: { table: team, invalidate: [\"team:{id}\"] }\n"
    "  draft: { table: draft, invalidate: [\"draft:{id}\"] }\n"
    "  round: { table: round, invalidate: [\"round:{id}\"] }\n"
    "  user: { table: user_, invalidate: [\"user:{id}\"] }\n"
    "  member: { table: member }\n"
    "relations:\n"
    "  - round.draft_id -> draft.id\n"
    "  - round.captain_id -> team.captain_id: { transitive: false }\n"
    "  - draft.tournament_id -> tournament.id\n"
    "  - team.tournament_id -> tournament.id\n"
    "  - user.id -> member.user_id: { changed: [nickname] }\n"
    "  - member.team_id -> team.id: { transitive: false }\n";

static const struct fake_row tournament_rows[] = {
    {"tournament", "{\"id\":1}"},
    {"tournament", "{\"id\":2}"},
    {"team", "{\"id\":10,\"tournament_id\":1,\"captain_id\":100}"},
    {"team", "{\"id\":11,\"tournament_id\":1,\"captain_id\":101}"},
    {"team", "{\"id\":12,\"tournament_id\":2,\"captain_id\":100}"},
    {"team", "{\"id\":13,\"tournament_id\":null,\"captain_id\":null}"},
    {"draft", "{\"id\":20,\"tournament_id\":1}"},
    {"draft", "{\"id\":21,\"tournament_id\":2}"},
    {"round", "{\"id\":30,\"draft_id\":20,\"captain_id\":100}"},
    {"member", "{\"user_id\":100,\"team_id\":10}"},
    {"member", "{\"user_id\":100,\"team_id\":12}"},
    {"member", "{\"user_id\":101,\"team_id\":11}"},
};

static void
start_tournament(void)
{
	start(tournament, tournament_rows, N_ELEMENTS(tournament_rows));
}

Test(walk, goes_forward_without_a_lookup_where_the_key_tells_the_row)
{
	start_tournament();
	change("{\"table\":\"draft\",\"op\":\"insert\","
	       "\"new\":[{\"id\":22,\"tournament_id\":1}]}");
	expect("draft:22 tournament:1");
	cr_assert_eq(db.n_lookups, 0);
}

Test(walk, looks_up_what_the_key_does_not_tell)
{
	start_tournament();
	change("{\"table\":\"round\",\"op\":\"insert\",\"new\":[{\"id\":31,"
	       "\"draft_id\":20,\"captain_id\":101}]}");
	expect("draft:20 round:31 team:11 tournament:1");
	cr_assert_eq(db.n_lookups, 2);
	cr_assert_eq(db.n_keys, 2);
}

Test(walk, touches_both_ends_of_a_row_that_moved)
{
	start_tournament();
	change("{\"table\":\"team\",\"op\":\"update\","
	       "\"old\":[{\"id\":10,\"tournament_id\":2,\"captain_id\":1}],"
	       "\"new\":[{\"id\":10,\"tournament_id\":1,\"captain_id\":1}],"
	       "\"changed\":[\"tournament_id\"]}");
	expect("team:10 tournament:1 tournament:2");
}

Test(walk, touches_nothing_through_a_null)
{
	start_tournament();
	change("{\"table\":\"team\",\"op\":\"delete\","
	       "\"old\":[{\"id\":13,\"tournament_id\":null,"
	       "\"captain_id\":null}]}");
	expect("team:13");
	cr_assert_eq(db.n_lookups, 0);
}

Test(walk, passes_a_link_table_and_stops_where_it_is_told_to)
{
	start_tournament();
	change("{\"table\":\"user_\",\"op\":\"update\","
	       "\"old\":[{\"id\":100,\"nickname\":\"a\"}],"
	       "\"new\":[{\"id\":100,\"nickname\":\"b\"}],"
	       "\"changed\":[\"nickname\"]}");
	expect("team:10 team:12 user:100");
	restart();
	change("{\"table\":\"member\",\"op\":\"delete\","
	       "\"old\":[{\"user_id\":101,\"team_id\":13}]}");
	expect("team:13");
}

Test(walk, takes_only_updates_of_named_columns_where_they_are_named)
{
	start_tournament();
	change("{\"table\":\"user_\",\"op\":\"update\","
	       "\"old\":[{\"id\":100,\"nickname\":\"a\"}],"
	       "\"new\":[{\"id\":100,\"nickname\":\"a\"}],"
	       "\"changed\":[\"email\"]}");
	expect("user:100");
	restart();
	change("{\"table\":\"user_\",\"op\":\"update\","
	       "\"old\":[{\"id\":101,\"nickname\":\"a\"}],"
	       "\"new\":[{\"id\":100,\"nickname\":\"a\"}],"
	       "\"changed\":[\"id\"]}");
	expect("team:10 team:11 team:12 user:100 user:101");
	restart();
	change("{\"table\":\"user_\",\"op\":\"insert\","
	       "\"new\":[{\"id\":101,\"nickname\":\"a\"}]}");
	expect("team:11 user:101");
	restart();
	change("{\"table\":\"user_\",\"op\":\"update\","
	       "\"old\":[{\"id\":101,\"nickname\":\"a\"}],"
	       "\"new\":[{\"id\":101,\"nickname\":\"a\"}]}");
	expect("team:11 user:101");
}

/* To the walk it is the same row each time: only what changed differs. */
Test(walk, keeps_changes_of_one_row_apart)
{
	start_tournament();
	change("{\"table\":\"user_\",\"op\":\"update\","
	       "\"old\":[{\"id\":101,\"nickname\":\"a\"}],"
	       "\"new\":[{\"id\":101,\"nickname\":\"a\"}],"
	       "\"changed\":[\"email\"]}");
	change("{\"table\":\"user_\",\"op\":\"update\","
	       "\"old\":[{\"id\":101,\"nickname\":\"a\"}],"
	       "\"new\":[{\"id\":101,\"nickname\":\"b\"}],"
	       "\"changed\":[\"nickname\"]}");
	expect("team:11 user:101");
	restart();
	change("{\"table\":\"user_\",\"op\":\"update\","
	       "\"old\":[{\"id\":101,\"nickname\":\"a\"}],"
	       "\"new\":[{\"id\":101,\"nickname\":\"a\"}],"
	       "\"changed\":[\"email\"]}");
	change("{\"table\":\"user_\",\"op\":\"delete\","
	       "\"old\":[{\"id\":101,\"nickname\":\"a\"}]}");
	expect("team:11 user:101");
}

/* The trigger is older than the graph: it did not compare the nickname. */
Test(walk, takes_a_column_that_no_image_tells_for_changed)
{
	start_tournament();
	change("{\"table\":\"user_\",\"op\":\"update\",\"old\":[{\"id\":101}],"
	       "\"new\":[{\"id\":101}],\"changed\":[]}");
	expect("team:11 user:101");
}

Test(walk, keeps_rules_for_own_changes_from_dependent_rows)
{
	start_tournament();
	change("{\"table\":\"tournament\",\"op\":\"update\","
	       "\"old\":[{\"id\":1}],\"new\":[{\"id\":1}]}");
	expect("list tournament:1");
}

Test(walk, asks_for_each_key_once_and_remembers_answers)
{
	start_tournament();
	change("{\"table\":\"round\",\"op\":\"insert\",\"new\":["
	       "{\"id\":31,\"draft_id\":20,\"captain_id\":100},"
	       "{\"id\":32,\"draft_id\":20,\"captain_id\":100},"
	       "{\"id\":33,\"draft_id\":21,\"captain_id\":100}]}");
	expect("draft:20 draft:21 round:31 round:32 round:33 team:10 team:12 "
	       "tournament:1 tournament:2");
	cr_assert_eq(db.n_lookups, 2);
	cr_assert_eq(db.n_keys, 3);
}

static const char tree[] =
    "models:\n"
    "  node: { table: node, invalidate: [\"node:{id}\"] }\n"
    "relations:\n"
    "  - node.parent_id -> node.id\n";

static const struct fake_row tree_rows[] = {
    {"node", "{\"id\":1,\"parent_id\":null}"},
    {"node", "{\"id\":2,\"parent_id\":1}"},
    {"node", "{\"id\":3,\"parent_id\":2}"},
    {"node", "{\"id\":4,\"parent_id\":3}"},
    {"node", "{\"id\":5,\"parent_id\":6}"},
    {"node", "{\"id\":6,\"parent_id\":5}"},
    {"node", "{\"id\":7,\"parent_id\":7}"},
};

Test(walk, climbs_a_tree_to_its_root)
{
	start(tree, tree_rows, N_ELEMENTS(tree_rows));
	change("{\"table\":\"node\",\"op\":\"insert\","
	       "\"new\":[{\"id\":9,\"parent_id\":4}]}");
	expect("node:1 node:2 node:3 node:4 node:9");
	cr_assert_eq(db.n_lookups, 4);
}

Test(walk, comes_to_an_end_in_a_cycle)
{
	start(tree, tree_rows, N_ELEMENTS(tree_rows));
	change("{\"table\":\"node\",\"op\":\"insert\","
	       "\"new\":[{\"id\":9,\"parent_id\":5}]}");
	expect("node:5 node:6 node:9");
	restart();
	change("{\"table\":\"node\",\"op\":\"insert\","
	       "\"new\":[{\"id\":7,\"parent_id\":7}]}");
	expect("node:7");
}

/* The key that a later round comes to was answered in an earlier one. */
Test(walk, does_not_ask_again_in_a_later_round)
{
	start(tree, tree_rows, N_ELEMENTS(tree_rows));
	change("{\"table\":\"node\",\"op\":\"insert\",\"new\":["
	       "{\"id\":8,\"parent_id\":2},{\"id\":9,\"parent_id\":4}]}");
	expect("node:1 node:2 node:3 node:4 node:8 node:9");
	cr_assert_eq(db.n_keys, 4);
}

static const char diamond[] = "models:\n"
			      "  a: { table: a, invalidate: [\"a:{id}\"] }\n"
			      "  b: { table: b, invalidate: [\"b:{id}\"] }\n"
			      "  c: { table: c, invalidate: [\"c:{id}\"] }\n"
			      "  d: { table: d, invalidate: [\"d:{id}\"] }\n"
			      "  e: { table: e, invalidate: [\"e:{id}\"] }\n"
			      "relations:\n"
			      "  - a.id -> b.a_id\n"
			      "  - a.id -> c.a_id\n"
			      "  - b.d_id -> d.id: { transitive: false }\n"
			      "  - c.id -> d.c_id\n"
			      "  - d.e_id -> e.id\n";

static const struct fake_row diamond_rows[] = {
    {"b", "{\"id\":1,\"a_id\":1,\"d_id\":1}"},
    {"c", "{\"id\":1,\"a_id\":1}"},
    {"d", "{\"id\":1,\"c_id\":1,\"e_id\":1}"},
    {"e", "{\"id\":1}"},
};

/* By b it may not pass on, by c, which is later, it may. */
Test(walk, passes_on_when_a_row_comes_again_with_more_right)
{
	start(diamond, diamond_rows, N_ELEMENTS(diamond_rows));
	change("{\"table\":\"a\",\"op\":\"delete\",\"old\":[{\"id\":1}]}");
	expect("a:1 b:1 c:1 d:1 e:1");
	restart();
	change("{\"table\":\"b\",\"op\":\"delete\",\"old\":["
	       "{\"id\":1,\"a_id\":1,\"d_id\":1}]}");
	expect("b:1 d:1");
}

/* It may not pass on as a dependent row, but its own change may. */
Test(walk, passes_on_a_row_that_changed_though_it_was_only_reached_before)
{
	start(diamond, diamond_rows, N_ELEMENTS(diamond_rows));
	change("{\"table\":\"b\",\"op\":\"delete\",\"old\":["
	       "{\"id\":1,\"a_id\":1,\"d_id\":1}]}");
	change("{\"table\":\"d\",\"op\":\"update\","
	       "\"old\":[{\"id\":1,\"c_id\":1,\"e_id\":1}],"
	       "\"new\":[{\"id\":1,\"c_id\":1,\"e_id\":2}],"
	       "\"changed\":[\"e_id\"]}");
	expect("b:1 d:1 e:1 e:2");
}

Test(walk, matches_several_columns_as_one)
{
	static const struct fake_row rows[] = {
	    {"seat", "{\"hall\":1,\"row_\":1,\"id\":1}"},
	    {"seat", "{\"hall\":1,\"row_\":2,\"id\":2}"},
	    {"seat", "{\"hall\":2,\"row_\":1,\"id\":3}"},
	};

	start("models:\n"
	      "  ticket: { table: ticket }\n"
	      "  seat: { table: seat, invalidate: [\"seat:{id}\"] }\n"
	      "relations:\n"
	      "  - ticket.(h, r) -> seat.(hall, row_)\n",
	    rows, N_ELEMENTS(rows));
	change("{\"table\":\"ticket\",\"op\":\"update\","
	       "\"old\":[{\"h\":1,\"r\":2}],\"new\":[{\"h\":2,\"r\":1}]}");
	change("{\"table\":\"ticket\",\"op\":\"insert\","
	       "\"new\":[{\"h\":1,\"r\":null},{\"h\":9,\"r\":9},"
	       "{\"h\":null,\"r\":{}},{\"h\":{},\"r\":null}]}");
	expect("seat:2 seat:3");
	cr_assert_eq(db.n_lookups, 1);
	cr_assert_eq(db.n_keys, 3);
	cr_assert_eq(pgripple_walk_n_escalations(walk), 0);
}

Test(walk, looks_up_columns_whose_equal_values_may_differ_in_text)
{
	static const struct fake_row rows[] = {{"b", "{\"num\":5.00}"}};

	start("models:\n"
	      "  a: { table: a }\n"
	      "  b: { table: b, invalidate: [\"b:{num}\"] }\n"
	      "relations:\n"
	      "  - a.num -> b.num\n",
	    rows, N_ELEMENTS(rows));
	change("{\"table\":\"a\",\"op\":\"insert\","
	       "\"new\":[{\"num\":5.00},{\"num\":6}]}");
	expect("b:5.00");
	cr_assert_eq(db.n_lookups, 1);
}

/* The server finds 5.00 for 5, by a row whose text is none of the keys. */
Test(walk, takes_an_answer_that_is_spelled_otherwise)
{
	struct pgripple_row row;
	struct pgripple_error err;
	struct pgripple_path *paths;

	start("models:\n"
	      "  a: { table: a }\n"
	      "  b: { table: b, invalidate: [\"b:{num}\"] }\n"
	      "relations:\n"
	      "  - a.num -> b.num\n",
	    NULL, 0);
	change("{\"table\":\"a\",\"op\":\"insert\",\"new\":[{\"num\":5}]}");
	cr_assert_eq(pgripple_walk_step(walk, &err), PGRIPPLE_WALK_LOOKUPS);
	cr_assert_eq(pgripple_row_decode(pgripple_walk_arena(walk),
			 pgripple_graph_model(graph, "b")->table,
			 "{\"num\":5.00}", 12, &row, &err),
	    0);
	cr_assert_eq(pgripple_walk_answer(walk, 0, &row, &err), 0);
	expect("b:5.00");
	cr_assert_eq(
	    pgripple_walk_report(walk, 0, NULL, NULL, &paths, &err), 0);
	cr_assert_not_null(paths->next);
	cr_assert_eq(paths->next->n_rows, 1);
}

Test(walk, touches_every_model_of_a_table)
{
	start("models:\n"
	      "  user: { table: person, invalidate: [\"user:{id}\"] }\n"
	      "  player: { table: person, invalidate: [\"player:{nick}\"] }\n"
	      "  team: { table: team, invalidate: [\"team:{id}\"] }\n"
	      "relations:\n"
	      "  - player.team_id -> team.id\n",
	    NULL, 0);
	change("{\"table\":\"person\",\"op\":\"insert\","
	       "\"new\":[{\"id\":1,\"nick\":\"x\",\"team_id\":3}]}");
	expect("player:x team:3 user:1");
}

static const char conditions[] =
    "models:\n"
    "  a:\n"
    "    table: a\n"
    "    invalidate:\n"
    "      - { key: \"ins:{id}\", ops: [insert] }\n"
    "      - { key: \"upd:{id}\", ops: [update, delete] }\n"
    "      - { key: \"live:{id}\", where: { state: [live, on] } }\n"
    "      - { key: \"null:{id}\", where: { state: [\"null\", \"\"] } }\n"
    "      - { key: \"title:{id}\", changed: [title] }\n"
    "      - { key: \"off:{id}\", enabled: false }\n"
    "  b: { table: b, invalidate: [\"b:{id}\"] }\n"
    "  c: { table: c }\n"
    "relations:\n"
    "  - a.b_id -> b.id: { where: { state: [live] }, ops: [delete, update] }\n"
    "  - a.d_id -> b.id: { enabled: false }\n"
    "  - c.a_id -> a.id\n";

Test(walk, judges_where_by_each_image_alone)
{
	start(conditions, NULL, 0);
	change("{\"table\":\"a\",\"op\":\"update\","
	       "\"changed\":[\"id\",\"state\",\"b_id\"],"
	       "\"old\":[{\"id\":1,\"state\":\"live\",\"b_id\":5,\"title\":1}],"
	       "\"new\":[{\"id\":2,\"state\":null,\"b_id\":6,\"title\":1}]}");
	expect("b:5 live:1 title:1 title:2 upd:1 upd:2");
	restart();
	change("{\"table\":\"a\",\"op\":\"update\",\"changed\":[\"x\"],"
	       "\"old\":[{\"id\":1,\"state\":\"on\",\"b_id\":5,\"title\":1}],"
	       "\"new\":[{\"id\":1,\"state\":\"on\",\"b_id\":5,\"title\":1}]}");
	expect("live:1 upd:1");
}

Test(walk, judges_ops_by_the_change_of_the_row_itself)
{
	static const struct fake_row rows[] = {
	    {"a", "{\"id\":1,\"state\":\"live\",\"b_id\":5,\"title\":1}"}};

	start(conditions, rows, N_ELEMENTS(rows));
	change("{\"table\":\"a\",\"op\":\"insert\",\"new\":["
	       "{\"id\":1,\"state\":\"live\",\"b_id\":5,\"title\":1}]}");
	expect("ins:1 live:1 title:1");
	restart();
	change("{\"table\":\"a\",\"op\":\"delete\",\"old\":["
	       "{\"id\":1,\"state\":\"no\",\"b_id\":5,\"title\":1}]}");
	expect("title:1 upd:1");
	restart();
	change("{\"table\":\"c\",\"op\":\"insert\",\"new\":[{\"a_id\":1}]}");
	expect("b:5 ins:1 live:1 title:1 upd:1");
}

Test(walk, lets_what_is_unknown_pass_every_condition)
{
	start(conditions, NULL, 0);
	change("{\"table\":\"a\",\"op\":\"update\",\"changed\":[],"
	       "\"old\":[{\"id\":1,\"state\":{},\"b_id\":5,\"title\":{}}],"
	       "\"new\":[]}");
	expect("b:5 live:1 null:1 title:1 upd:1");
}

Test(walk, touches_the_whole_model_through_an_unknown_value)
{
	start_tournament();
	change("{\"table\":\"draft\",\"op\":\"update\","
	       "\"old\":[{\"id\":20,\"tournament_id\":{}}],"
	       "\"new\":[{\"id\":20,\"tournament_id\":1}]}");
	expect("draft:20 ~tournament:*");
	cr_assert_eq(pgripple_walk_n_escalations(walk), 1);
}

Test(walk, takes_the_whole_model_along_every_relation)
{
	start_tournament();
	change("{\"table\":\"round\",\"op\":\"truncate\"}");
	expect("~draft:* ~round:* ~team:* ~tournament:*");
	cr_assert_eq(db.n_lookups, 0);
	cr_assert_eq(pgripple_walk_n_escalations(walk), 0);
}

/* The rows come first, one by one: what follows is the whole model alone. */
Test(walk, touches_no_single_row_of_a_model_that_was_touched_as_a_whole)
{
	start_tournament();
	change("{\"table\":\"round\",\"op\":\"truncate\"}");
	change("{\"table\":\"draft\",\"op\":\"insert\","
	       "\"new\":[{\"id\":22,\"tournament_id\":1}]}");
	walk_through(walk, &db);
	cr_assert_eq(pgripple_walk_n_touches(walk), 6);
}

static size_t
n_wholes(void)
{
	size_t n = 0;

	for (const struct pgripple_touch *touch = pgripple_walk_touches(walk);
	     touch != NULL; touch = touch->next)
		n += touch->whole;
	return n;
}

Test(walk, touches_the_whole_model_past_the_limit_of_touched_rows)
{
	start_limited(tree, tree_rows, N_ELEMENTS(tree_rows),
	    (struct pgripple_limits){3, SIZE_MAX, SIZE_MAX, 0, 0});
	change("{\"table\":\"node\",\"op\":\"insert\","
	       "\"new\":[{\"id\":9,\"parent_id\":4}]}");
	expect("node:3 node:4 node:9 ~node:*");
	cr_assert_geq(pgripple_walk_n_escalations(walk), 1);
	cr_assert_eq(n_wholes(), 1);
}

Test(walk, may_come_to_known_rows_when_at_the_limit_of_touched_rows)
{
	start_limited(tournament, NULL, 0,
	    (struct pgripple_limits){3, SIZE_MAX, SIZE_MAX, 0, 0});
	change("{\"table\":\"draft\",\"op\":\"insert\",\"new\":["
	       "{\"id\":22,\"tournament_id\":1},"
	       "{\"id\":23,\"tournament_id\":1}]}");
	expect("draft:22 draft:23 tournament:1");
	cr_assert_eq(pgripple_walk_n_escalations(walk), 0);
}

Test(walk, never_escalates_rows_that_changed_themselves)
{
	start_limited(tree, NULL, 0, (struct pgripple_limits){0, 0, 0, 0, 0});
	change("{\"table\":\"node\",\"op\":\"insert\",\"new\":["
	       "{\"id\":8,\"parent_id\":null},{\"id\":9,\"parent_id\":null}]}");
	expect("node:8 node:9");
}

Test(walk, touches_the_whole_model_past_the_limit_of_lookup_rows)
{
	start_limited(tournament, tournament_rows, N_ELEMENTS(tournament_rows),
	    (struct pgripple_limits){SIZE_MAX, 1, SIZE_MAX, 0, 0});
	change("{\"table\":\"round\",\"op\":\"insert\",\"new\":[{\"id\":31,"
	       "\"draft_id\":null,\"captain_id\":100}]}");
	expect("round:31 team:10 ~team:*");
	cr_assert_eq(pgripple_walk_n_escalations(walk), 1);
}

Test(walk, takes_exactly_as_many_rows_and_keys_as_the_limits_say)
{
	start_limited(tournament, tournament_rows, N_ELEMENTS(tournament_rows),
	    (struct pgripple_limits){6, 2, 1, 0, 0});
	change("{\"table\":\"round\",\"op\":\"insert\",\"new\":[{\"id\":31,"
	       "\"draft_id\":20,\"captain_id\":100}]}");
	expect("draft:20 round:31 team:10 team:12 tournament:1");
	cr_assert_eq(pgripple_walk_n_escalations(walk), 0);
}

Test(walk, touches_the_whole_model_past_the_limit_of_lookup_keys)
{
	start_limited(tournament, tournament_rows, N_ELEMENTS(tournament_rows),
	    (struct pgripple_limits){SIZE_MAX, SIZE_MAX, 1, 0, 0});
	change("{\"table\":\"round\",\"op\":\"insert\",\"new\":["
	       "{\"id\":31,\"draft_id\":20,\"captain_id\":100},"
	       "{\"id\":32,\"draft_id\":21,\"captain_id\":100}]}");
	expect("round:31 round:32 team:10 team:12 ~draft:* ~tournament:*");
	cr_assert_eq(db.n_lookups, 1);
	cr_assert_eq(pgripple_walk_n_escalations(walk), 1);
}

Test(walk, touches_the_whole_model_when_a_lookup_cannot_be_answered)
{
	struct pgripple_error err;

	start_tournament();
	change("{\"table\":\"round\",\"op\":\"insert\",\"new\":["
	       "{\"id\":31,\"draft_id\":20,\"captain_id\":null}]}");
	cr_assert_eq(pgripple_walk_step(walk, &err), PGRIPPLE_WALK_LOOKUPS);
	cr_assert_eq(pgripple_walk_n_lookups(walk), 1);
	cr_assert_eq(pgripple_walk_escalate(walk, 0, &err), 0);
	expect("round:31 ~draft:* ~tournament:*");
}

/* A row that comes to the relation in the next round is not asked for. */
Test(walk, keeps_a_relation_escalated_in_later_rounds)
{
	static const struct fake_row rows[] = {
	    {"a", "{\"id\":2,\"t\":2}"}, {"b", "{\"id\":1,\"t\":1}"}};
	struct pgripple_error err;

	start("models:\n"
	      "  a: { table: a, invalidate: [\"a:{id}\"] }\n"
	      "  b: { table: b, invalidate: [\"b:{id}\"] }\n"
	      "  c: { table: c, invalidate: [\"c:{id}\"] }\n"
	      "relations:\n"
	      "  - a.t -> b.t\n"
	      "  - c.a_id -> a.id\n",
	    rows, N_ELEMENTS(rows));
	change("{\"table\":\"a\",\"op\":\"insert\","
	       "\"new\":[{\"id\":1,\"t\":1}]}");
	change("{\"table\":\"c\",\"op\":\"insert\","
	       "\"new\":[{\"id\":1,\"a_id\":2}]}");
	cr_assert_eq(pgripple_walk_step(walk, &err), PGRIPPLE_WALK_LOOKUPS);
	cr_assert_eq(pgripple_walk_n_lookups(walk), 2);
	cr_assert_eq(pgripple_walk_escalate(walk, 0, &err), 0);
	answer_lookup(walk, 0, &db);
	answer_lookup(walk, 1, &db);
	expect("a:1 a:2 c:1 ~b:*");
	cr_assert_eq(db.n_lookups, 2);
}

/* A thousand rows and a thousand answers have one key in common: the walk
 * remembers two thousand arrivals, not a million. */
Test(walk, takes_little_memory_where_many_rows_meet_many)
{
	CLEANUP(buf_done) struct buf json = BUF_INIT;
	struct pgripple_error err;
	struct pgripple_path *paths;
	size_t before;

	start("models:\n"
	      "  a: { table: a, invalidate: [\"a:{id}\"] }\n"
	      "  b: { table: b, invalidate: [\"b:{id}\"] }\n"
	      "relations:\n"
	      "  - a.t -> b.t\n",
	    NULL, 0);
	buf_add_string(&json, "{\"table\":\"a\",\"op\":\"insert\",\"new\":[");
	for (int i = 0; i < 1000; i++)
		buf_printf(&json, "%s{\"id\":%d,\"t\":1}", i > 0 ? "," : "", i);
	buf_add_string(&json, "]}");
	change(buf_string(&json));
	before = arena_size(pgripple_walk_arena(walk));
	cr_assert_eq(pgripple_walk_step(walk, &err), PGRIPPLE_WALK_LOOKUPS);
	for (int i = 0; i < 1000; i++) {
		char image[64];
		struct pgripple_row row;

		(void)snprintf(image, sizeof(image), "{\"id\":%d,\"t\":1}", i);
		cr_assert_eq(pgripple_row_decode(pgripple_walk_arena(walk),
				 pgripple_graph_model(graph, "b")->table, image,
				 strlen(image), &row, &err),
		    0);
		cr_assert_eq(pgripple_walk_answer(walk, 0, &row, &err), 0);
	}
	cr_assert_eq(pgripple_walk_step(walk, &err), PGRIPPLE_WALK_DONE);
	cr_assert_lt(arena_size(pgripple_walk_arena(walk)) - before, 2000000);
	cr_assert_eq(
	    pgripple_walk_report(walk, 0, NULL, NULL, &paths, &err), 0);
	cr_assert_eq(paths->n_rows, 1000);
	cr_assert_eq(paths->next->n_rows, 1000);
	before = arena_size(pgripple_walk_arena(walk));
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(
		    pgripple_walk_report(walk, 0, NULL, NULL, &paths, &err), 0);
	cr_assert_lt(arena_size(pgripple_walk_arena(walk)) - before, 1000000);
}

/* Reports. */

static size_t n_reported;

static void
count(void *context UNUSED, const struct pgripple_touch *touch,
    const struct pgripple_path *path)
{
	cr_assert_eq(touch->model, path->model);
	n_reported++;
}

/* "user=1 user>member=2 ..." in the order of the paths. */
static void
expect_report(size_t number, const char *wanted)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct pgripple_error err;
	struct pgripple_path *path;
	size_t n = 0;

	n_reported = 0;
	cr_assert_eq(
	    pgripple_walk_report(walk, number, count, NULL, &path, &err), 0);
	for (; path != NULL; path = path->next) {
		buf_add_string(&text, text.n > 0 ? " " : "");
		if (path->parent != NULL)
			buf_printf(&text, "%s>", path->parent->model->name);
		buf_printf(&text, "%s=%zu%s", path->model->name, path->n_rows,
		    path->whole ? "!" : "");
		cr_assert_eq(path->relation == NULL, path->parent == NULL);
		n += path->n_rows;
	}
	cr_assert_str_eq(
	    buf_string(&text), wanted, "got \"%s\"", buf_string(&text));
	cr_assert_eq(n, n_reported);
}

Test(walk, reports_what_each_change_led_to)
{
	start_tournament();
	change("{\"table\":\"user_\",\"op\":\"insert\","
	       "\"new\":[{\"id\":100,\"nickname\":\"a\"}]}");
	change("{\"table\":\"user_\",\"op\":\"insert\","
	       "\"new\":[{\"id\":999,\"nickname\":\"a\"}]}");
	change("{\"table\":\"team\",\"op\":\"update\","
	       "\"old\":[{\"id\":10,\"tournament_id\":2,\"captain_id\":1}],"
	       "\"new\":[{\"id\":10,\"tournament_id\":1,\"captain_id\":1}]}");
	change("{\"table\":\"draft\",\"op\":\"truncate\"}");
	walk_through(walk, &db);
	expect_report(0, "user=1 user>member=2 member>team=2");
	expect_report(1, "user=1");
	expect_report(2, "team=2 team>tournament=2");
	expect_report(3, "draft=1! draft>tournament=1!");
	expect_report(0, "user=1 user>member=2 member>team=2");
}

Test(walk, reports_for_every_change_what_an_earlier_one_had_led_to)
{
	start_tournament();
	for (int i = 0; i < 2; i++)
		change("{\"table\":\"round\",\"op\":\"insert\",\"new\":["
		       "{\"id\":31,\"draft_id\":20,\"captain_id\":101}]}");
	change("{\"table\":\"draft\",\"op\":\"insert\","
	       "\"new\":[{\"id\":20,\"tournament_id\":1}]}");
	walk_through(walk, &db);
	for (size_t i = 0; i < 2; i++)
		expect_report(
		    i, "round=1 round>team=1 round>draft=1 draft>tournament=1");
	expect_report(2, "draft=1 draft>tournament=1");
}

Test(walk, reports_a_cycle_where_it_began)
{
	start(tree, tree_rows, N_ELEMENTS(tree_rows));
	change("{\"table\":\"node\",\"op\":\"insert\","
	       "\"new\":[{\"id\":9,\"parent_id\":4}]}");
	walk_through(walk, &db);
	expect_report(0, "node=1 node>node=4");
}

Test(walk, reports_at_most_ten_thousand_rows)
{
	CLEANUP(buf_done) struct buf json = BUF_INIT;

	start(tree, NULL, 0);
	buf_add_string(
	    &json, "{\"table\":\"node\",\"op\":\"insert\",\"new\":[");
	for (int i = 0; i < 10001; i++)
		buf_printf(&json, "%s{\"id\":%d,\"parent_id\":null}",
		    i > 0 ? "," : "", i);
	buf_add_string(&json, "]}");
	change(buf_string(&json));
	walk_through(walk, &db);
	expect_report(0, "node=10000");
}
