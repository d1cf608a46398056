/*
 * What a walk tells of itself: why a relation or a rule was not taken, why a
 * whole model was touched, and what led where.
 */
#include <pgripple/walk.h>

#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"

#include "build_graph.h"
#include "fake_database.h"

static struct pgripple_graph *graph;
static struct pgripple_walk *walk;
static struct fake_database db;
static struct buf told; /* "CAUSE RELATION; ..." of the escalations */

static void
tear_down(void)
{
	pgripple_walk_free(walk);
	pgripple_graph_free(graph);
	buf_done(&told);
}

TestSuite(walk_reasons, .fini = tear_down);

static void
tell(void *context UNUSED, const struct pgripple_relation *relation,
    enum pgripple_cause cause)
{
	buf_printf(
	    &told, "%s %s; ", pgripple_cause_name(cause), relation->name);
}

static void
start(const char *yaml, const struct fake_row *rows, size_t n_rows,
    struct pgripple_limits limits)
{
	db = (struct fake_database){.rows = rows, .n_rows = n_rows};
	graph = build_graph(yaml);
	walk = pgripple_walk_new(graph, &limits);
	cr_assert_not_null(walk);
	pgripple_walk_on_escalation(walk, tell, NULL);
}

static const struct pgripple_touch *
touch_of(const char *model)
{
	const struct pgripple_touch *touch = pgripple_walk_touches(walk);

	while (touch != NULL && strcmp(touch->model->name, model) != 0)
		touch = touch->next;
	cr_assert_not_null(touch, "no row of %s was touched", model);
	return touch;
}

/* Verdicts. */

static const char judged[] =
    "models:\n"
    "  a:\n"
    "    table: a\n"
    "    invalidate:\n"
    "      - \"a:{id}\"\n"
    "      - { key: off, enabled: false }\n"
    "      - { key: own, own_change_only: true }\n"
    "      - { key: deleted, ops: [delete] }\n"
    "      - { key: title, changed: [title] }\n"
    "      - { key: live, where: { state: live } }\n"
    "  b: { table: b }\n"
    "relations:\n"
    "  - a.x -> b.id: { name: plain }\n"
    "  - a.x -> b.id: { name: off, enabled: false }\n"
    "  - a.x -> b.id: { name: deleted, ops: [delete] }\n"
    "  - a.x -> b.id: { name: title, changed: [title] }\n"
    "  - a.x -> b.id: { name: live, where: { state: live } }\n"
    "  - a.nothing -> b.id: { name: nothing }\n"
    "  - a.(x, hidden) -> b.(id, y): { name: hidden }\n"
    "  - b.id -> a.id: { transitive: false }\n";

static void
expect_verdict(const struct pgripple_touch *touch, const char *relation,
    enum pgripple_verdict wanted, const char *wanted_column)
{
	for (size_t i = 0; i < graph->n_relations; i++) {
		const struct pgripple_relation *one = &graph->relations[i];
		size_t column = SIZE_MAX;
		enum pgripple_verdict got;

		if (strcmp(one->name, relation) != 0)
			continue;
		got = pgripple_judge_relation(touch, one, &column);
		cr_assert_eq(got, wanted, "%s: %s instead of %s", relation,
		    pgripple_verdict_name(got), pgripple_verdict_name(wanted));
		if (wanted_column == NULL)
			cr_assert_eq(column, SIZE_MAX);
		else
			cr_assert_eq(column,
			    column_index(touch->model->table, wanted_column));
		return;
	}
	cr_assert(false, "there is no relation \"%s\"", relation);
}

static void
expect_rule(const struct pgripple_touch *touch, size_t rule,
    enum pgripple_verdict wanted)
{
	size_t column;
	enum pgripple_verdict got =
	    pgripple_judge_rule(touch, &touch->model->rules[rule], &column);

	cr_assert_eq(got, wanted, "rule %zu: %s instead of %s", rule,
	    pgripple_verdict_name(got), pgripple_verdict_name(wanted));
}

Test(walk_reasons, tell_why_a_relation_is_not_followed)
{
	const struct pgripple_touch *touch;

	start(judged, NULL, 0, no_limits);
	add_change(walk, graph,
	    "{\"table\":\"a\",\"op\":\"update\",\"changed\":[\"id\"],"
	    "\"old\":[{\"id\":1,\"x\":2,\"title\":\"t\",\"state\":\"off\","
	    "\"nothing\":null,\"hidden\":{}}],\"new\":[]}");
	walk_through(walk, &db);
	touch = touch_of("a");
	expect_verdict(touch, "plain", PGRIPPLE_VERDICT_APPLIES, NULL);
	expect_verdict(touch, "off", PGRIPPLE_VERDICT_DISABLED, NULL);
	expect_verdict(touch, "deleted", PGRIPPLE_VERDICT_OPS, NULL);
	expect_verdict(touch, "live", PGRIPPLE_VERDICT_WHERE, "state");
	expect_verdict(touch, "nothing", PGRIPPLE_VERDICT_NULL, "nothing");
	expect_verdict(touch, "hidden", PGRIPPLE_VERDICT_UNKNOWN, "hidden");
}

Test(walk_reasons, tell_what_did_not_change)
{
	const struct pgripple_touch *touch;

	start(judged, NULL, 0, no_limits);
	add_change(walk, graph,
	    "{\"table\":\"a\",\"op\":\"update\",\"changed\":[\"state\"],"
	    "\"old\":[{\"id\":1,\"x\":2,\"title\":\"t\",\"state\":\"live\","
	    "\"nothing\":null,\"hidden\":null}],\"new\":[]}");
	walk_through(walk, &db);
	touch = touch_of("a");
	expect_verdict(touch, "title", PGRIPPLE_VERDICT_UNCHANGED, NULL);
	expect_verdict(touch, "live", PGRIPPLE_VERDICT_APPLIES, NULL);
	expect_rule(touch, 4, PGRIPPLE_VERDICT_UNCHANGED);
	expect_rule(touch, 5, PGRIPPLE_VERDICT_APPLIES);
}

Test(walk_reasons, tell_why_a_rule_does_not_apply)
{
	const struct pgripple_touch *touch;

	start(judged, NULL, 0, no_limits);
	add_change(walk, graph,
	    "{\"table\":\"a\",\"op\":\"insert\",\"new\":[{\"id\":1,\"x\":null,"
	    "\"title\":1,\"state\":\"off\",\"nothing\":null,"
	    "\"hidden\":null}]}");
	walk_through(walk, &db);
	touch = touch_of("a");
	expect_rule(touch, 0, PGRIPPLE_VERDICT_APPLIES);
	expect_rule(touch, 1, PGRIPPLE_VERDICT_DISABLED);
	expect_rule(touch, 2, PGRIPPLE_VERDICT_APPLIES);
	expect_rule(touch, 3, PGRIPPLE_VERDICT_OPS);
	expect_rule(touch, 4, PGRIPPLE_VERDICT_APPLIES);
	expect_rule(touch, 5, PGRIPPLE_VERDICT_WHERE);
}

Test(walk_reasons, tell_what_a_dependent_row_may_not_do)
{
	static const struct fake_row rows[] = {
	    {"a", "{\"id\":1,\"x\":2,\"title\":\"t\",\"state\":\"live\"}"}};
	const struct pgripple_touch *touch;

	start(judged, rows, N_ELEMENTS(rows), no_limits);
	add_change(walk, graph,
	    "{\"table\":\"b\",\"op\":\"insert\","
	    "\"new\":[{\"id\":1,\"y\":1}]}");
	walk_through(walk, &db);
	touch = touch_of("a");
	expect_verdict(touch, "plain", PGRIPPLE_VERDICT_STOPPED, NULL);
	expect_verdict(touch, "off", PGRIPPLE_VERDICT_DISABLED, NULL);
	expect_rule(touch, 2, PGRIPPLE_VERDICT_OWN_CHANGE_ONLY);
	expect_rule(touch, 3, PGRIPPLE_VERDICT_APPLIES);
}

/* Causes. */

static const char chain[] = "models:\n"
			    "  a: { table: a }\n"
			    "  b: { table: b, invalidate: [\"b:{id}\"] }\n"
			    "relations:\n"
			    "  - a.x -> b.y\n"
			    "  - a.id -> b.id\n";

static const struct fake_row chain_rows[] = {
    {"b", "{\"id\":10,\"y\":1}"},
    {"b", "{\"id\":11,\"y\":1}"},
    {"b", "{\"id\":12,\"y\":2}"},
};

static void
expect_told(const char *json, struct pgripple_limits limits, const char *wanted)
{
	start(chain, chain_rows, N_ELEMENTS(chain_rows), limits);
	add_change(walk, graph, json);
	walk_through(walk, &db);
	cr_assert_str_eq(
	    buf_string(&told), wanted, "got \"%s\"", buf_string(&told));
}

static const char two_rows[] =
    "{\"table\":\"a\",\"op\":\"insert\","
    "\"new\":[{\"id\":1,\"x\":1},{\"id\":2,\"x\":2}]}";

Test(walk_reasons, tell_nothing_while_all_is_known)
{
	expect_told(two_rows, no_limits, "");
}

Test(walk_reasons, tell_of_an_unknown_value)
{
	expect_told("{\"table\":\"a\",\"op\":\"insert\","
		    "\"new\":[{\"id\":{},\"x\":1}]}",
	    no_limits, "unknown value a.id -> b.id; ");
}

Test(walk_reasons, tell_of_too_many_touched_rows)
{
	expect_told(two_rows,
	    (struct pgripple_limits){3, SIZE_MAX, SIZE_MAX, 0, 0},
	    "touched rows a.id -> b.id; touched rows a.x -> b.y; "
	    "touched rows a.x -> b.y; touched rows a.x -> b.y; ");
}

Test(walk_reasons, tell_of_too_many_rows_and_keys_of_a_lookup)
{
	expect_told(two_rows,
	    (struct pgripple_limits){SIZE_MAX, 2, SIZE_MAX, 0, 0},
	    "lookup rows a.x -> b.y; ");
	tear_down();
	told = BUF_INIT;
	expect_told(two_rows,
	    (struct pgripple_limits){SIZE_MAX, SIZE_MAX, 1, 0, 0},
	    "lookup keys a.x -> b.y; ");
}

Test(walk_reasons, tell_of_a_lookup_that_failed)
{
	struct pgripple_error err;

	start(chain, NULL, 0, no_limits);
	add_change(walk, graph, two_rows);
	cr_assert_eq(pgripple_walk_step(walk, &err), PGRIPPLE_WALK_LOOKUPS);
	cr_assert_eq(pgripple_walk_escalate(walk, 0, &err), 0);
	cr_assert_str_eq(buf_string(&told), "lookup failed a.x -> b.y; ");
}

/* What led where. */

static size_t
count_arrivals(const struct pgripple_arrival *arrival, const char *model)
{
	size_t n = 0;

	for (; arrival != NULL; arrival = arrival->next)
		if (arrival->touch == NULL)
			n += count_arrivals(
			    pgripple_walk_answers(arrival->key), model);
		else
			n += strcmp(arrival->touch->model->name, model) == 0;
	return n;
}

Test(walk_reasons, tell_what_a_change_and_a_row_led_to)
{
	start(chain, chain_rows, N_ELEMENTS(chain_rows), no_limits);
	add_change(walk, graph, two_rows);
	walk_through(walk, &db);
	cr_assert_eq(count_arrivals(pgripple_walk_roots(walk, 0), "a"), 2);
	/* Directly by its id, and by the lookup that finds two. */
	cr_assert_eq(count_arrivals(touch_of("a")->onward, "b"), 3);
}

/* Why a lookup. */

Test(walk_reasons, tell_why_a_relation_needs_a_lookup)
{
	const struct pgripple_relation *relation;
	struct pgripple_columns missing;

	graph = build_graph("models:\n"
			    "  a: { table: a }\n"
			    "  b: { table: b, invalidate: [\"b:{id}:{z}\"] }\n"
			    "  c: { table: c }\n"
			    "relations:\n"
			    "  - a.(num, x) -> b.(num, id)\n"
			    "  - b.q -> c.r\n");
	relation = &graph->relations[0];
	missing = pgripple_relation_missing(relation);
	cr_assert_not(relation->direct);
	cr_assert_not(pgripple_relation_is_spelled_alike(relation, 0));
	cr_assert(pgripple_relation_is_spelled_alike(relation, 1));
	for (size_t i = 0; i < relation->to->table->n_columns; i++) {
		const char *name = relation->to->table->columns[i].name;

		cr_assert_eq(pgripple_columns_has(&missing, i),
		    strcmp(name, "z") == 0 || strcmp(name, "q") == 0, "%s",
		    name);
	}
	cr_assert(graph->relations[1].direct);
}
