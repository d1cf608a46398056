/*
 * The JSON of an outbox row, to a change of a fixed graph, and on through walk,
 * plan and report.  What follows a line feed answers every lookup.
 */
#include <pgripple/change.h>
#include <pgripple/plan.h>
#include <pgripple/walk.h>

#include "base/arena.h"
#include "config/yaml.h"
#include "fuzz.h"

static const char yaml[] =
    "models:\n"
    "  a: {table: a, invalidate: [\"a:{id}:{name|lower}\"]}\n"
    "  b: {table: b, invalidate: [\"b:{id}\"]}\n"
    "  c: {table: s.c, invalidate: [\"c:{x}:{y}\", \"all\"]}\n"
    "  link: {table: link}\n"
    "relations:\n"
    "  - a.b_id -> b.id: {changed: [name]}\n"
    "  - a.parent_id -> a.id\n"
    "  - b.(x, y) -> c.(x, y): {where: {kind: [one, two]}}\n"
    "  - c.x -> link.c_x\n"
    "  - link.a_id -> a.id: {transitive: false}\n";

static const struct pgripple_limits limits = {
    .touched_rows = 50,
    .lookup_rows = 10,
    .lookup_keys = 10,
};

static struct pgripple_graph *
make_graph(void)
{
	struct arena *arena = arena_new();
	struct pgripple_errors errors = {0};
	struct pgripple_graph *graph = NULL;
	struct pgripple_error err;
	struct node *root;

	EXPECT(yaml_parse(arena, "graph.yaml", yaml, sizeof(yaml) - 1, &errors,
		   &root) == 0 &&
	       pgripple_graph_load(root, &errors, &graph) == 0);
	arena_free(arena);
	for (size_t i = 0; i < graph->n_tables; i++)
		for (size_t j = 0; j < graph->tables[i].n_columns; j++)
			EXPECT(pgripple_graph_describe(graph,
				   &graph->tables[i].columns[j], "bigint", true,
				   &err) == 0);
	pgripple_graph_settle(graph);
	return graph;
}

/* One row for each lookup, if the text is one; else the whole model. */
static void
answer(struct pgripple_walk *walk, const char *json, size_t length)
{
	struct pgripple_error err;

	for (size_t i = 0; i < pgripple_walk_n_lookups(walk); i++) {
		const struct pgripple_lookup *lookup =
		    pgripple_walk_lookup(walk, i);
		struct pgripple_row row;

		if (pgripple_row_decode(pgripple_walk_arena(walk),
			lookup->relation->to->table, json, length, &row,
			&err) == 0)
			EXPECT(pgripple_walk_answer(walk, i, &row, &err) == 0);
		else
			EXPECT(pgripple_walk_escalate(walk, i, &err) == 0);
	}
}

static void
resolve(struct pgripple_walk *walk, const struct pgripple_change *change,
    const char *json, size_t length)
{
	struct pgripple_path *paths;
	struct pgripple_plan plan;
	struct pgripple_error err;

	EXPECT(pgripple_walk_add(walk, change, &err) == 0);
	while (pgripple_walk_step(walk, &err) == PGRIPPLE_WALK_LOOKUPS)
		answer(walk, json, length);
	EXPECT(pgripple_plan_make(walk, 0, &plan, &err) == 0);
	EXPECT(plan.n_now <= plan.n_operations);
	EXPECT(pgripple_walk_report(walk, 0, NULL, NULL, &paths, &err) == 0);
	/* A known table always leads to something. */
	EXPECT(paths != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pgripple_graph *graph;
	const char *json = (const char *)data;
	const char *end = size == 0 ? NULL : memchr(json, '\n', size);
	size_t length = end == NULL ? size : (size_t)(end - json);
	struct pgripple_walk *walk;
	struct pgripple_change change;
	struct pgripple_error err;

	if (graph == NULL)
		graph = make_graph();
	walk = pgripple_walk_new(graph, &limits);
	EXPECT(walk != NULL);
	switch (pgripple_change_decode(
	    pgripple_walk_arena(walk), graph, json, length, &change, &err)) {
	case PGRIPPLE_DECODE_DONE:
	case PGRIPPLE_DECODE_ESCALATED:
		if (change.op != PGRIPPLE_OP_PING)
			resolve(walk, &change, json + length, size - length);
		break;
	case PGRIPPLE_DECODE_UNWATCHED:
		break;
	default:
		EXPECT(err.kind == PGRIPPLE_ERROR_INPUT && err.text[0] != '\0');
	}
	pgripple_walk_free(walk);
	return 0;
}
