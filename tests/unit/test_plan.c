/*
 * The plan: what a walk's touched rows mean in Redis.
 */
#include <pgripple/plan.h>

#include <criterion/criterion.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/util.h"

#include "build_graph.h"
#include "fake_database.h"

static const char yaml[] =
    "models:\n"
    "  team:\n"
    "    table: team\n"
    "    invalidate:\n"
    "      - \"team:{id}\"\n"
    "      - \"team:{id}:{slug|lower}\"\n"
    "      - \"teams\"\n"
    "      - { key: \"own:{id}\", own_change_only: true }\n"
    "      - { key: \"off:{id}\", enabled: false }\n"
    "  club:\n"
    "    table: club\n"
    "    invalidate: [\"club:{id}\", \"teams\", \"[x]{{}}:{id}\"]\n"
    "  league:\n"
    "    table: league\n"
    "    invalidate: [\"league:{id}\", \"leagues\"]\n"
    "    whole_model: [\"league:*\", \"l:[0-9]*\"]\n"
    "  same:\n"
    "    table: same\n"
    "    invalidate: [\"team:{id}\"]\n"
    "  link:\n"
    "    table: link\n"
    "relations:\n"
    "  - club.id -> team.club_id\n"
    "  - link.league_id -> league.id\n";

static struct pgripple_graph *graph;
static struct pgripple_walk *walk;
static struct fake_database db;

static void
set_up(void)
{
	graph = build_graph(yaml);
	walk = pgripple_walk_new(graph, &no_limits);
	cr_assert_not_null(walk);
}

static void
tear_down(void)
{
	pgripple_walk_free(walk);
	pgripple_graph_free(graph);
}

TestSuite(plan, .init = set_up, .fini = tear_down);

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

Test(plan, is_empty_when_nothing_was_touched)
{
	expect("");
}

Test(plan, fills_every_rule_of_a_changed_row)
{
	change("{\"table\":\"team\",\"op\":\"insert\","
	       "\"new\":[{\"id\":1,\"slug\":\"Red\",\"club_id\":2}]}");
	expect("own:1 team:1 team:1:red teams");
}

Test(plan, merges_equal_keys_of_rows_rules_and_models)
{
	change("{\"table\":\"team\",\"op\":\"update\","
	       "\"old\":[{\"id\":1,\"slug\":\"Red\",\"club_id\":2}],"
	       "\"new\":[{\"id\":1,\"slug\":\"RED\",\"club_id\":3}]}");
	change("{\"table\":\"club\",\"op\":\"insert\",\"new\":[{\"id\":9}]}");
	change("{\"table\":\"same\",\"op\":\"insert\",\"new\":[{\"id\":1}]}");
	expect("[x]{}:9 club:9 own:1 team:1 team:1:red teams");
}

Test(plan, makes_no_key_of_a_null)
{
	change("{\"table\":\"team\",\"op\":\"insert\",\"new\":["
	       "{\"id\":1,\"slug\":null,\"club_id\":2},"
	       "{\"id\":{},\"slug\":null,\"club_id\":2}]}");
	expect("own:1 team:1 teams ~own:* ~team:*");
}

Test(plan, makes_the_narrowest_pattern_of_an_unknown_value)
{
	change("{\"table\":\"team\",\"op\":\"insert\",\"new\":["
	       "{\"id\":\"a*b\",\"slug\":{},\"club_id\":2}]}");
	expect("own:a*b team:a*b teams ~team:a\\*b:*");
}

Test(plan, makes_patterns_of_the_whole_model)
{
	change("{\"table\":\"club\",\"op\":\"truncate\"}");
	expect("teams ~\\[x\\]{}:* ~club:* ~team:* ~team:*:*");
}

Test(plan, keeps_rules_for_own_changes_when_the_whole_model_changed)
{
	change("{\"table\":\"team\",\"op\":\"update\",\"whole\":\"bulk\"}");
	expect("teams ~own:* ~team:* ~team:*:*");
}

Test(plan, takes_whole_model_instead_of_the_rules)
{
	change("{\"table\":\"league\",\"op\":\"insert\","
	       "\"new\":[{\"id\":1}]}");
	expect("league:1 leagues");
	change("{\"table\":\"link\",\"op\":\"truncate\"}");
	expect("league:1 leagues ~l:[0-9]* ~league:*");
}

Test(plan, keeps_keys_with_zero_bytes_apart)
{
	struct pgripple_plan plan;
	struct pgripple_error err;

	change(
	    "{\"table\":\"same\",\"op\":\"insert\",\"new\":["
	    "{\"id\":\"a\"},{\"id\":\"a\\u0000b\"},{\"id\":\"a\\u0000c\"}]}");
	walk_through(walk, &db);
	cr_assert_eq(pgripple_plan_make(walk, 0, &plan, &err), 0);
	cr_assert_eq(plan.n_now, 3);
	cr_assert_eq(plan.operations[0].key_length, 6);
	cr_assert_eq(plan.operations[1].key_length, 8);
	cr_assert_eq(memcmp(plan.operations[2].key, "team:a\0c", 9), 0);
}

struct explained {
	struct buf text;
	const struct pgripple_model *model;
};

static void
explain(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule)
{
	struct explained *explained = context;
	long number = rule == NULL ? -1 : rule - explained->model->rules;

	buf_printf(&explained->text, "%ld:%s:%s ", number,
	    pgripple_operation_kind_name(operation->kind), operation->key);
}

static void
expect_explained(const struct pgripple_touch *touch, const char *wanted)
{
	struct explained explained = {BUF_INIT, touch->model};
	struct pgripple_error err;

	cr_assert_eq(
	    pgripple_plan_explain(touch, explain, &explained, &err), 0);
	cr_assert_str_eq(buf_string(&explained.text), wanted);
	buf_done(&explained.text);
}

Test(plan, explains_which_rule_makes_which_operation)
{
	const struct pgripple_touch *touch;

	change("{\"table\":\"team\",\"op\":\"insert\","
	       "\"new\":[{\"id\":1,\"slug\":\"x\",\"club_id\":2}]}");
	change("{\"table\":\"link\",\"op\":\"insert\","
	       "\"new\":[{\"league_id\":{}}]}");
	walk_through(walk, &db);
	touch = pgripple_walk_touches(walk);
	expect_explained(touch,
	    "0:unlink:team:1 1:unlink:team:1:x 2:unlink:teams "
	    "3:unlink:own:1 ");
	expect_explained(touch->next, "");
	expect_explained(
	    touch->next->next, "-1:scan:league:* -1:scan:l:[0-9]* ");
}

/* Every kind of rule. */

static const char kinds_yaml[] =
    "models:\n"
    "  row:\n"
    "    table: row\n"
    "    invalidate:\n"
    "      - { hash: \"h:{a}\", field: \"f:{b}\" }\n"
    "      - { version: \"v:{a}\" }\n"
    "      - { version: \"v\" }\n"
    "      - { fence: \"k:{a}\", hold: 2s }\n"
    "      - { tag: \"t:{a}\" }\n"
    "      - { pattern: \"p:{a}:*\" }\n"
    "      - { publish: \"rows\", message: \"{a}/{b}\" }\n"
    "      - { stream: \"log\", fields: [b], maxlen: 9 }\n"
    "      - { stream: \"all\", fields: { key: \"k:{a}\" } }\n"
    "  over:\n"
    "    table: over\n"
    "    invalidate:\n"
    "      - \"{a}\"\n"
    "      - { fence: \"x:{a}\" }\n"
    "      - { tag: \"y:{a}\" }\n"
    "      - { pattern: \"z:{a}*\" }\n"
    "    whole_model: [\"over:*\"]\n";

static void
set_up_kinds(void)
{
	graph = build_graph(kinds_yaml);
	walk = pgripple_walk_new(graph, &no_limits);
	cr_assert_not_null(walk);
}

TestSuite(plan_kinds, .init = set_up_kinds, .fini = tear_down);

/* The plan in its order: "kind key value... number", or "scan kind pattern". */
static void
expect_operations(const char *wanted)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct pgripple_plan plan;
	struct pgripple_error err;

	walk_through(walk, &db);
	cr_assert_eq(pgripple_plan_make(walk, 0, &plan, &err), 0);
	for (size_t i = 0; i < plan.n_operations; i++) {
		const struct pgripple_operation *o = &plan.operations[i];

		cr_expect_eq(i < plan.n_now, o->kind < PGRIPPLE_OPERATION_SCAN);
		buf_add_string(&text, pgripple_operation_kind_name(o->kind));
		if (o->kind == PGRIPPLE_OPERATION_SCAN)
			buf_printf(&text, " %s",
			    pgripple_operation_kind_name(o->each));
		buf_printf(&text, " %s", o->key);
		for (size_t j = 0; j < o->n_values; j++)
			buf_printf(&text, " %s", o->values[j].bytes);
		if (o->kind == PGRIPPLE_OPERATION_FENCE ||
		    o->kind == PGRIPPLE_OPERATION_STREAM)
			buf_printf(&text, " %d", (int)o->number);
		buf_add_char(&text, '\n');
	}
	cr_assert_str_eq(
	    buf_string(&text), wanted, "got\n%s", buf_string(&text));
}

Test(plan_kinds, make_what_they_say_of_a_row)
{
	change("{\"table\":\"row\",\"op\":\"insert\","
	       "\"new\":[{\"a\":\"1*\",\"b\":\"x y\"}]}");
	expect_operations("fence fence:k:1* 2000\n"
			  "unlink k:1*\n"
			  "hdel h:1* f:x y\n"
			  "version v:1*\n"
			  "version v\n"
			  "tag t:1*\n"
			  "publish rows 1*/x y\n"
			  "stream log model row b x y 9\n"
			  "stream all model row key k:1* 0\n"
			  "scan unlink p:1\\*:*\n");
}

Test(plan_kinds, make_nothing_of_a_null_but_shorter_entries)
{
	change("{\"table\":\"row\",\"op\":\"insert\","
	       "\"new\":[{\"a\":null,\"b\":null}]}");
	expect_operations("version v\n"
			  "stream log model row 9\n"
			  "stream all model row 0\n");
}

Test(plan_kinds, widen_where_a_value_is_not_known)
{
	change("{\"table\":\"row\",\"op\":\"insert\","
	       "\"new\":[{\"a\":\"1\",\"b\":{}},{\"a\":{},\"b\":\"2\"}]}");
	expect_operations("fence fence:k:1 2000\n"
			  "fence fence:k:* 2000\n"
			  "unlink h:1\n"
			  "unlink k:1\n"
			  "version v:1\n"
			  "version v\n"
			  "tag t:1\n"
			  "publish rows 1/*\n"
			  "publish rows */2\n"
			  "stream log model row b * 9\n"
			  "stream all model row key k:1 0\n"
			  "stream log model row b 2 9\n"
			  "stream all model row key k:* 0\n"
			  "scan unlink p:1:*\n"
			  "scan unlink h:*\n"
			  "scan version v:*\n"
			  "scan unlink k:*\n"
			  "scan drain t:*\n"
			  "scan unlink p:*:*\n");
}

Test(plan_kinds, say_it_of_the_whole_model)
{
	change("{\"table\":\"row\",\"op\":\"truncate\"}");
	expect_operations("fence fence:k:* 2000\n"
			  "version v\n"
			  "publish rows */*\n"
			  "stream log model row whole true b * 9\n"
			  "stream all model row whole true key k:* 0\n"
			  "scan unlink h:*\n"
			  "scan version v:*\n"
			  "scan unlink k:*\n"
			  "scan drain t:*\n"
			  "scan unlink p:*:*\n");
}

Test(plan_kinds, keep_fences_and_tags_under_whole_model)
{
	change("{\"table\":\"over\",\"op\":\"truncate\"}");
	expect_operations("fence fence:x:* 10000\n"
			  "scan unlink over:*\n"
			  "scan drain y:*\n");
}

Test(plan_kinds, merge_what_is_the_same)
{
	change("{\"table\":\"row\",\"op\":\"update\","
	       "\"old\":[{\"a\":1,\"b\":2}],\"new\":[{\"a\":1,\"b\":3}]}");
	expect_operations("fence fence:k:1 2000\n"
			  "unlink k:1\n"
			  "hdel h:1 f:2\n"
			  "hdel h:1 f:3\n"
			  "version v:1\n"
			  "version v\n"
			  "tag t:1\n"
			  "publish rows 1/2\n"
			  "publish rows 1/3\n"
			  "stream log model row b 2 9\n"
			  "stream all model row key k:1 0\n"
			  "stream log model row b 3 9\n"
			  "scan unlink p:1:*\n");
}

/* Targets. */

static const char shared[] =
    "models:\n"
    "  item:\n"
    "    table: item\n"
    "    invalidate:\n"
    "      - \"item:{id}\"\n"
    "      - { key: \"item:{id}\", target: b }\n"
    "      - { fence: \"f:{id}\", target: b, where: { shop: 1 } }\n"
    "      - { version: \"v:{id}\", target: c }\n"
    "      - { key: \"item:{id}\", target: c, where: { id: 1 } }\n"
    "  page:\n"
    "    table: page\n"
    "    whole_model: [\"page:*\"]\n"
    "    invalidate: [{ key: \"page:{id}\", target: b }]\n"
    "relations:\n"
    "  - item.shop -> page.id\n";

static const struct pgripple_target_spec specs[] = {
    {"default", ""}, {"b", "b*:"}, {"c", ""}};

static void
aim(void)
{
	struct pgripple_errors errors = {0};

	tear_down();
	graph = build_graph(shared);
	cr_assert_eq(
	    pgripple_graph_aim(graph, specs, N_ELEMENTS(specs), &errors), 0);
	walk = pgripple_walk_new(graph, &no_limits);
	cr_assert_not_null(walk);
	change("{\"table\":\"item\",\"op\":\"insert\",\"new\":["
	       "{\"id\":1,\"shop\":1},{\"id\":2,\"shop\":2}]}");
	walk_through(walk, &db);
}

/* "0 unlink item:1, ..." as planned; tasks follow a bar. */
static const char *
print_shared_plan(uint32_t whole_targets, struct buf *text)
{
	struct pgripple_plan plan;
	struct pgripple_error err;

	cr_assert_eq(pgripple_plan_make(walk, whole_targets, &plan, &err), 0);
	for (size_t i = 0; i < plan.n_operations; i++) {
		const struct pgripple_operation *o = &plan.operations[i];

		buf_printf(text, "%s%zu %s %s", i == plan.n_now ? "|" : " ",
		    o->target, pgripple_operation_kind_name(o->kind), o->key);
	}
	return buf_string(text);
}

Test(plan, leads_each_rule_to_its_target)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	aim();
	cr_assert_str_eq(print_shared_plan(0, &text),
	    " 0 unlink item:1 0 unlink item:2"
	    " 1 fence b*:fence:f:1"
	    " 1 unlink b*:item:1 1 unlink b*:f:1 1 unlink b*:item:2"
	    " 1 unlink b*:page:1 1 unlink b*:page:2"
	    " 2 unlink item:1 2 version v:1 2 version v:2");
}

Test(plan, has_but_whole_models_on_a_target)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	aim();
	cr_assert_str_eq(print_shared_plan(1 << 1, &text),
	    " 0 unlink item:1 0 unlink item:2"
	    " 1 fence b*:fence:f:*"
	    " 2 unlink item:1 2 version v:1 2 version v:2"
	    "|1 scan b\\*:item:* 1 scan b\\*:f:* 1 scan b\\*:page:*");
}

static void
expect_refusal(const char *text, const char *hint, int line, size_t n_specs)
{
	struct pgripple_errors errors = {0};

	tear_down();
	graph = build_graph(shared);
	walk = NULL;
	cr_assert_eq(
	    pgripple_graph_aim(graph, specs + 1, n_specs, &errors), -1);
	cr_assert_str_eq(errors.items[0].text, text);
	cr_assert_str_eq(errors.items[0].hint, hint);
	cr_assert_eq(errors.items[0].at.line, line);
	pgripple_errors_done(&errors);
}

Test(plan, knows_no_target_but_those_of_the_settings)
{
	expect_refusal(
	    "the rule names no \"target\", and the settings have no default",
	    "Name one, or give \"redis\" in pgripple.yaml a \"url\" of its "
	    "own, "
	    "which is the default.",
	    5, 2);
}

/* What django-cacheops cached. */

static const char cacheops_yaml[] =
    "models:\n"
    "  team:\n"
    "    table: app_team\n"
    "    invalidate:\n"
    "      - cacheops: { columns: { own: owner_id }, kinds: { num: opaque } }\n"
    "      - { cacheops: {}, enabled: false }\n"
    "  game:\n"
    "    table: game\n"
    "    invalidate:\n"
    "      - cacheops:\n"
    "          table: app{game}\n"
    "          prefix: [\"\", \"{tenant}:\"]\n"
    "          layout: classic\n"
    "          also: [app_team]\n"
    "  place:\n"
    "    table: place\n"
    "    invalidate: [cacheops: { joins: [id] }]\n"
    "relations:\n"
    "  - game.team_id -> team.id\n";

/* The catalog has more columns than the file names. */
static void
set_up_cacheops(void)
{
	struct pgripple_error err;

	graph = build_graph(cacheops_yaml);
	for (size_t i = 0; i < graph->n_tables; i++) {
		struct pgripple_table *table = &graph->tables[i];

		cr_assert(pgripple_table_adopts(table));
		cr_assert_eq(
		    pgripple_graph_adopt(graph, table, "id", true, &err), 0);
		cr_assert_eq(
		    pgripple_graph_adopt(graph, table, "x", false, &err), 0);
	}
	describe_graph(graph);
	walk = pgripple_walk_new(graph, &no_limits);
	cr_assert_not_null(walk);
}

TestSuite(plan_cacheops, .init = set_up_cacheops, .fini = tear_down);

Test(plan_cacheops, tells_the_row_by_all_of_its_columns)
{
	change("{\"table\":\"app_team\",\"op\":\"update\","
	       "\"old\":[{\"id\":7,\"own\":3,\"num\":1.5,\"x\":null}],"
	       "\"new\":[{\"id\":7,\"own\":4,\"num\":1.5,\"x\":{}}]}");
	expect_operations(
	    "cacheops conj:app_team: app_team row auto owner_id=own,id!,x "
	    "#3 #7 0\n"
	    "cacheops conj:app_team: app_team row auto owner_id=own,id!,x "
	    "#4 #7 ?\n");
}

Test(plan_cacheops, looks_dependent_rows_up_for_their_columns)
{
	const struct pgripple_lookup *lookup;
	struct pgripple_error err;

	change("{\"table\":\"game\",\"op\":\"insert\",\"new\":["
	       "{\"id\":1,\"tenant\":\"5\",\"team_id\":7,\"x\":2}]}");
	cr_assert_eq(pgripple_walk_step(walk, &err), PGRIPPLE_WALK_LOOKUPS);
	lookup = pgripple_walk_lookup(walk, 0);
	cr_expect(pgripple_columns_has(
	    &lookup->wanted, column_index(lookup->model->table, "x")));
	cr_expect(pgripple_columns_has(
	    &lookup->wanted, column_index(lookup->model->table, "own")));
	cr_expect_not(pgripple_columns_has(
	    &lookup->wanted, column_index(lookup->model->table, "num")));
}

Test(plan_cacheops, takes_every_prefix_and_other_tables_as_a_whole)
{
	change("{\"table\":\"game\",\"op\":\"insert\",\"new\":["
	       "{\"id\":1,\"tenant\":\"5\",\"team_id\":null,\"x\":2}]}");
	expect_operations("cacheops conj:app{game}: app{game} row classic "
			  "tenant,team_id,id!,x #5 0 #1 #2\n"
			  "cacheops 5:conj:app{game}: app{game} row classic "
			  "tenant,team_id,id!,x #5 0 #1 #2\n"
			  "scan conj conj:app_team:*\n"
			  "scan conj 5:conj:app_team:*\n");
}

Test(plan_cacheops, looks_for_every_dependency_of_the_whole_model)
{
	change("{\"table\":\"game\",\"op\":\"truncate\"}");
	expect_operations("scan conj conj:app{game}:*\n"
			  "scan conj *:conj:app{game}:*\n"
			  "scan conj conj:app_team:*\n"
			  "scan conj *:conj:app_team:*\n");
}

/* The tables: 0 is the team's, 1 the game's. */
static void
link_column(size_t from, const char *column, size_t to)
{
	struct pgripple_error err;

	cr_assert_eq(pgripple_graph_link(graph, &graph->tables[from], column,
			 &graph->tables[to], "id", &err),
	    0);
}

Test(plan_cacheops, tells_the_other_side_of_a_one_to_one_field)
{
	link_column(0, "own", 1);
	link_column(0, "no_such_column", 1);
	change("{\"table\":\"app_team\",\"op\":\"update\","
	       "\"old\":[{\"id\":7,\"own\":3,\"x\":1}],"
	       "\"new\":[{\"id\":7,\"own\":4,\"x\":1}],"
	       "\"changed\":[\"own\"]}");
	change("{\"table\":\"app_team\",\"op\":\"update\","
	       "\"old\":[{\"id\":8,\"own\":5,\"x\":1}],"
	       "\"new\":[{\"id\":8,\"own\":5,\"x\":2}],"
	       "\"changed\":[\"x\"]}");
	change("{\"table\":\"app_team\",\"op\":\"insert\","
	       "\"new\":[{\"id\":9,\"own\":null,\"x\":1}]}");
	expect_operations(
	    "cacheops conj:app_team: app_team row auto owner_id=own,id!,x "
	    "#3 #7 #1\n"
	    "cacheops conj:app_team: app_team row auto owner_id=own,id!,x "
	    "#4 #7 #1\n"
	    "cacheops conj:app_team: app_team row auto owner_id=own,id!,x "
	    "#5 #8 #1\n"
	    "cacheops conj:app_team: app_team row auto owner_id=own,id!,x "
	    "#5 #8 #2\n"
	    "cacheops conj:app_team: app_team row auto owner_id=own,id!,x "
	    "0 #9 #1\n"
	    "cacheops conj:app{game}: app{game} part classic id! #3\n"
	    "cacheops conj:app{game}: app{game} part classic id! #4\n");
}

Test(plan_cacheops, finds_the_other_side_under_the_same_tenant)
{
	link_column(1, "x", 1);
	change("{\"table\":\"game\",\"op\":\"insert\",\"new\":["
	       "{\"id\":1,\"tenant\":\"5\",\"team_id\":null,\"x\":2}]}");
	expect_operations(
	    "cacheops conj:app{game}: app{game} row classic "
	    "tenant,team_id,id!,x #5 0 #1 #2\n"
	    "cacheops 5:conj:app{game}: app{game} row classic "
	    "tenant,team_id,id!,x #5 0 #1 #2\n"
	    "cacheops conj:app{game}: app{game} part classic id! #2\n"
	    "cacheops 5:conj:app{game}: app{game} part classic id! #2\n"
	    "scan conj conj:app_team:*\n"
	    "scan conj 5:conj:app_team:*\n");
}

Test(plan_cacheops, takes_the_whole_other_side_if_values_are_not_known)
{
	link_column(0, "own", 1);
	change("{\"table\":\"app_team\",\"op\":\"truncate\"}");
	expect_operations("scan conj conj:app_team:*\n"
			  "scan conj conj:app{game}:*\n"
			  "scan conj *:conj:app{game}:*\n");
	pgripple_graph_unlink(graph);
	cr_expect_eq(graph->tables[0].n_links, 0);
}

Test(plan_cacheops, leaves_outer_joins_that_find_the_same)
{
	change("{\"table\":\"place\",\"op\":\"update\","
	       "\"old\":[{\"id\":1,\"x\":1}],\"new\":[{\"id\":1,\"x\":2}],"
	       "\"changed\":[\"x\"]}");
	change("{\"table\":\"place\",\"op\":\"update\","
	       "\"old\":[{\"id\":1,\"x\":3}],\"new\":[{\"id\":2,\"x\":3}],"
	       "\"changed\":[\"id\"]}");
	change("{\"table\":\"place\",\"op\":\"delete\","
	       "\"old\":[{\"id\":4,\"x\":1}]}");
	expect_operations("cacheops conj:place: place inner auto id!,x #1 #1\n"
			  "cacheops conj:place: place inner auto id!,x #1 #2\n"
			  "cacheops conj:place: place row auto id!,x #1 #3\n"
			  "cacheops conj:place: place row auto id!,x #2 #3\n"
			  "cacheops conj:place: place row auto id!,x #4 #1\n");
}

Test(plan_cacheops, forgets_columns_that_the_table_has_no_more)
{
	struct pgripple_table *table = &graph->tables[0];
	struct pgripple_error err;

	cr_assert_eq(
	    pgripple_graph_describe(graph,
		&table->columns[column_index(table, "x")], NULL, false, &err),
	    0);
	pgripple_graph_settle(graph);
	change("{\"table\":\"app_team\",\"op\":\"delete\","
	       "\"old\":[{\"id\":7,\"own\":3}]}");
	expect_operations(
	    "cacheops conj:app_team: app_team row auto owner_id=own,id! "
	    "#3 #7\n");
}

/* Repeats. */

static const char repeats_yaml[] =
    "models:\n"
    "  row:\n"
    "    table: row\n"
    "    invalidate:\n"
    "      - { key: \"k:{a}\", repeat_after: 2s }\n"
    "      - { key: \"k:{b}\", repeat_after: replicas }\n"
    "      - { fence: \"f:{a}\", hold: 9s, repeat_after: 2s }\n"
    "      - { version: \"v\", repeat_after: 2s }\n"
    "      - { key: \"off:{a}\", repeat_after: 2s, enabled: false }\n"
    "      - \"once:{a}\"\n"
    "  over:\n"
    "    table: over\n"
    "    invalidate:\n"
    "      - { key: \"o:{a}\", repeat_after: 1s, own_change_only: true }\n"
    "      - { tag: \"t:{a}\" }\n"
    "    whole_model: [\"over:*\"]\n"
    "  plain:\n"
    "    table: plain\n"
    "    invalidate: [\"p:{a}\"]\n";

static void
set_up_repeats(void)
{
	graph = build_graph(repeats_yaml);
	walk = pgripple_walk_new(graph, &no_limits);
	cr_assert_not_null(walk);
}

TestSuite(plan_repeats, .init = set_up_repeats, .fini = tear_down);

static void
expect_repeats(const struct pgripple_plan *plan, const char *wanted)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	for (size_t i = 0; i < plan->n_repeats; i++)
		buf_printf(&text, "%d %s %s\n", (int)plan->repeats[i].after_ms,
		    pgripple_operation_kind_name(
			plan->repeats[i].operation->kind),
		    plan->repeats[i].operation->key);
	cr_assert_str_eq(
	    buf_string(&text), wanted, "got\n%s", buf_string(&text));
}

static struct pgripple_plan
make_plan(bool coarse)
{
	struct pgripple_plan plan;
	struct pgripple_error err;

	walk_through(walk, &db);
	cr_assert_eq(coarse ? pgripple_plan_coarse_repeats(walk, &plan, &err)
			    : pgripple_plan_make(walk, 0, &plan, &err),
	    0);
	return plan;
}

Test(plan_repeats, are_the_same_operations_each_once_for_each_time)
{
	struct pgripple_plan plan;

	change("{\"table\":\"row\",\"op\":\"insert\",\"new\":["
	       "{\"a\":\"1\",\"b\":\"1\"},{\"a\":\"2\",\"b\":\"1\"}]}");
	plan = make_plan(false);
	cr_expect_eq(plan.n_operations, 9);
	expect_repeats(&plan, "-1 unlink k:1\n"
			      "2000 fence fence:f:1\n"
			      "2000 fence fence:f:2\n"
			      "2000 unlink k:1\n"
			      "2000 unlink f:1\n"
			      "2000 unlink k:2\n"
			      "2000 unlink f:2\n"
			      "2000 version v\n");
}

Test(plan_repeats, follow_what_stands_for_the_rule)
{
	struct pgripple_plan plan;

	change("{\"table\":\"over\",\"op\":\"truncate\"}");
	plan = make_plan(false);
	cr_expect_eq(plan.n_operations, 2);
	expect_repeats(&plan, "1000 scan over:*\n");
}

Test(plan_repeats, are_few_and_coarse_if_need_be)
{
	struct pgripple_plan plan;

	change("{\"table\":\"row\",\"op\":\"insert\",\"new\":["
	       "{\"a\":\"1\",\"b\":\"1\"},{\"a\":\"2\",\"b\":\"1\"}]}");
	change("{\"table\":\"over\",\"op\":\"insert\",\"new\":["
	       "{\"a\":\"1\"}]}");
	change("{\"table\":\"plain\",\"op\":\"insert\",\"new\":["
	       "{\"a\":\"1\"}]}");
	plan = make_plan(true);
	cr_expect_eq(plan.n_operations, plan.n_repeats - 1);
	expect_repeats(&plan, "-1 scan k:*\n"
			      "1000 scan over:*\n"
			      "2000 fence fence:f:*\n"
			      "2000 version v\n"
			      "2000 scan k:*\n"
			      "2000 scan f:*\n");
}
