/*
 * The text of a graph.yaml, to a graph that is described and settled.
 */
#include <pgripple/graph.h>

#include "base/arena.h"
#include "config/yaml.h"
#include "fuzz.h"

static void
describe(struct pgripple_graph *graph)
{
	struct pgripple_error err;

	for (size_t i = 0; i < graph->n_tables; i++)
		for (size_t j = 0; j < graph->tables[i].n_columns; j++)
			EXPECT(pgripple_graph_describe(graph,
				   &graph->tables[i].columns[j], "bigint",
				   j % 3 != 0, &err) == 0);
	pgripple_graph_settle(graph);
}

/* Whatever was accepted, its parts lead to each other and nowhere else. */
static void
check(const struct pgripple_graph *graph)
{
	for (size_t i = 0; i < graph->n_models; i++)
		EXPECT(pgripple_graph_model(graph, graph->models[i].name) ==
		       &graph->models[i]);
	for (size_t i = 0; i < graph->n_relations; i++) {
		const struct pgripple_relation *relation = &graph->relations[i];

		/* One that is switched off needs no columns. */
		EXPECT(relation->index == i &&
		       (relation->n_columns > 0 || !relation->enabled) &&
		       relation->n_columns <= PGRIPPLE_MAX_MATCH);
		for (size_t j = 0; j < relation->n_columns; j++)
			EXPECT(relation->from_columns[j] <
				   relation->from->table->n_columns &&
			       relation->to_columns[j] <
				   relation->to->table->n_columns);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct pgripple_errors errors = {0};
	struct pgripple_graph *graph = NULL;
	struct node *root = NULL;
	int parsed, loaded = -1;

	EXPECT(arena != NULL);
	parsed = yaml_parse(
	    arena, "graph.yaml", (const char *)data, size, &errors, &root);
	EXPECT((parsed == 0) == (errors.n_items == 0));
	/* Half a document is loaded, too, to find its other faults. */
	if (root != NULL)
		loaded = pgripple_graph_load(root, &errors, &graph);
	EXPECT(loaded == 0 || errors.n_items > 0);
	arena_free(arena);
	if (loaded == 0) {
		check(graph);
		describe(graph);
		pgripple_graph_free(graph);
	}
	pgripple_errors_sort(&errors);
	pgripple_errors_done(&errors);
	return 0;
}
