/*
 * Memory runs out at the nth allocation, for every n: the core fails with
 * NOMEM, leaks nothing (the sanitizers watch), and does not say "done" to half
 * a piece of work.  The linker leads every allocation of ours here (--wrap).
 */
#include <pgripple/plan.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "core/template.h"

#include "build_graph.h"
#include "fake_database.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__real_reallocarray(void *pointer, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
void *__wrap_reallocarray(void *pointer, size_t n, size_t size);

static long countdown; /* the allocation that fails; 0: none */
static bool lasting; /* and all after it */
static long n_allocations;

static bool
fails(void)
{
	n_allocations++;
	if (countdown == 0)
		return false;
	if (countdown > 1) {
		countdown--;
		return false;
	}
	if (!lasting)
		countdown = 0;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *pointer, size_t size)
{
	return fails() ? NULL : __real_realloc(pointer, size);
}

void *
__wrap_reallocarray(void *pointer, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(pointer, n, size);
}

typedef int (*work_cb)(struct pgripple_error *err);

/* Fails the work at each of its allocations, once alone and once with all that
 * follow, until it gets through. */
static void
exhaust(work_cb work)
{
	for (int pass = 0; pass < 2; pass++) {
		long n = 0;
		bool done = false;

		lasting = pass == 1;
		while (!done) {
			struct pgripple_error err = {.kind = 99};
			int result;

			countdown = ++n;
			n_allocations = 0;
			result = work(&err);
			done = n_allocations < n;
			countdown = 0;
			if (done)
				cr_assert_eq(result, 0);
			else {
				cr_assert_eq(result, -1,
				    "allocation %ld failed unseen", n);
				cr_assert_eq(err.kind, PGRIPPLE_ERROR_NOMEM,
				    "allocation %ld: %s", n, err.text);
			}
		}
		cr_assert_gt(n, 3);
	}
}

static const char template_source[] =
    "team:{id}:{\"a rather long name, so that the buffer of names has to "
    "grow, which takes it past its first one hundred and twenty-eight bytes "
    "and makes it ask for memory again\"|lower} and a tail that is long "
    "enough to grow the buffer of literals too, which takes it past its "
    "first one hundred and twenty-eight bytes";

static int
parse_template(struct pgripple_error *err)
{
	struct arena *arena = arena_new();
	struct template *t;
	int result;

	if (arena == NULL)
		return pgripple_error_nomem(err);
	result = template_parse(arena, template_source, &t, err);
	if (result == 0) {
		cr_assert_eq(t->n_parts, 5);
		cr_assert_eq(t->parts[0].length, 5);
		cr_assert_gt(t->parts[4].length, 128);
	}
	arena_free(arena);
	return result;
}

Test(core_nomem, fails_a_template)
{
	exhaust(parse_template);
}

static const char yaml[] =
    "models:\n"
    "  a: { table: a, invalidate: [\"a:{id}:{name}\"] }\n"
    "  b: { table: b, invalidate: [\"b:{id}:{name|lower}\", \"bs\"] }\n"
    "  c: { table: c, invalidate: [\"c:{id}\"] }\n"
    "  d: { table: d, invalidate: [\"d:{id}\"] }\n"
    "relations:\n"
    "  - a.b_id -> b.id\n"
    "  - a.c_id -> c.id\n"
    "  - a.d_id -> d.id\n"
    "  - b.a_id -> a.id\n";

static struct pgripple_graph *graph;
static struct pgripple_limits limits;
static struct buf json;
static size_t n_planned;

/* Forty rows with long names: so that arenas, maps and buffers grow. */
static void
set_up(void)
{
	graph = build_graph(yaml);
	limits = no_limits;
	n_planned = 0;
	buf_add_string(&json, "{\"table\":\"a\",\"op\":\"insert\",\"new\":[");
	for (int i = 0; i < 40; i++)
		buf_printf(&json,
		    "%s{\"id\":%d,\"name\":\"%0150d\",\"b_id\":%d,"
		    "\"c_id\":%d,\"d_id\":%s}",
		    i > 0 ? "," : "", i, i, i % 20, i % 30,
		    i == 7 ? "{}" : "1");
	buf_add_string(&json, "]}");
}

static void
tear_down(void)
{
	buf_done(&json);
	pgripple_graph_free(graph);
}

TestSuite(core_nomem, .init = set_up, .fini = tear_down);

/* Two rows for every lookup, whatever was asked. */
static int
answer(struct pgripple_walk *walk, size_t i, struct pgripple_error *err)
{
	static const char *const images[] = {
	    "{\"id\":3,\"name\":\"x\",\"a_id\":100,\"b_id\":3,\"c_id\":1,"
	    "\"d_id\":1}",
	    "{\"id\":4,\"name\":\"y\",\"a_id\":101,\"b_id\":null,\"c_id\":1,"
	    "\"d_id\":2}",
	};
	const struct pgripple_lookup *lookup = pgripple_walk_lookup(walk, i);

	for (size_t j = 0; j < 2; j++) {
		struct pgripple_row row;

		if (pgripple_row_decode(pgripple_walk_arena(walk),
			lookup->model->table, images[j], strlen(images[j]),
			&row, err) < 0 ||
		    pgripple_walk_answer(walk, i, &row, err) < 0)
			return -1;
	}
	return 0;
}

static int
step_through(struct pgripple_walk *walk, struct pgripple_error *err)
{
	int outcome;

	while (
	    (outcome = pgripple_walk_step(walk, err)) == PGRIPPLE_WALK_LOOKUPS)
		for (size_t i = 0; i < pgripple_walk_n_lookups(walk); i++)
			if (answer(walk, i, err) < 0)
				return -1;
	return outcome;
}

static void
ignore_operation(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule)
{
	(void)context;
	(void)operation;
	(void)rule;
}

static int
walk_and_plan(struct pgripple_walk *walk, struct pgripple_error *err)
{
	struct pgripple_change change;
	struct pgripple_plan plan;
	struct pgripple_path *paths;
	int outcome = pgripple_change_decode(
	    pgripple_walk_arena(walk), graph, json.bytes, json.n, &change, err);

	if (outcome != PGRIPPLE_DECODE_DONE)
		return outcome;
	if (pgripple_walk_add(walk, &change, err) < 0 ||
	    step_through(walk, err) < 0 ||
	    pgripple_plan_make(walk, 0, &plan, err) < 0 ||
	    pgripple_walk_report(walk, 0, NULL, NULL, &paths, err) < 0 ||
	    pgripple_plan_explain(
		pgripple_walk_touches(walk), ignore_operation, NULL, err) < 0)
		return -1;
	if (n_planned == 0)
		n_planned = plan.n_operations;
	cr_assert_eq(plan.n_operations, n_planned);
	return 0;
}

static int
work(struct pgripple_error *err)
{
	struct pgripple_walk *walk = pgripple_walk_new(graph, &limits);
	int result;

	if (walk == NULL)
		return pgripple_error_nomem(err);
	result = walk_and_plan(walk, err);
	pgripple_walk_free(walk);
	return result;
}

/* The first time nothing fails: that says how much is to be planned. */
Test(core_nomem, fails_a_walk)
{
	struct pgripple_error err;

	cr_assert_eq(work(&err), 0);
	cr_assert_gt(n_planned, 40);
	exhaust(work);
}

Test(core_nomem, fails_a_walk_past_its_limits)
{
	struct pgripple_error err;

	limits = (struct pgripple_limits){60, 1, 10, 0, 0};
	cr_assert_eq(work(&err), 0);
	exhaust(work);
}

/* Rows of which only the id is given, and of which a few are found. */
static void
ask_by_hand(void)
{
	buf_reset(&json);
	buf_add_string(
	    &json, "{\"op\":\"invalidate\",\"model\":\"a\",\"new\":[");
	for (int i = 0; i < 40; i++)
		buf_printf(&json, "%s{\"%s\":%d}", i > 0 ? "," : "",
		    i % 2 > 0 ? "id" : "b_id", i);
	buf_add_string(&json, "]}");
}

Test(core_nomem, fails_a_walk_that_was_asked_for_by_hand)
{
	struct pgripple_error err;

	ask_by_hand();
	cr_assert_eq(work(&err), 0);
	cr_assert_gt(n_planned, 20);
	exhaust(work);
}

/* What was walked when memory ran out is not to be taken for all. */
Test(core_nomem, does_not_go_on_with_a_walk_that_failed)
{
	struct pgripple_walk *walk = pgripple_walk_new(graph, &limits);
	struct pgripple_change change;
	struct pgripple_error err;

	cr_assert_eq(pgripple_change_decode(pgripple_walk_arena(walk), graph,
			 json.bytes, json.n, &change, &err),
	    PGRIPPLE_DECODE_DONE);
	countdown = 1;
	cr_assert_eq(pgripple_walk_add(walk, &change, &err), -1);
	countdown = 0;
	cr_assert_eq(pgripple_walk_step(walk, &err), -1);
	cr_assert_eq(err.kind, PGRIPPLE_ERROR_NOMEM);
	pgripple_walk_free(walk);
}
