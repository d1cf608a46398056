/*
 * A graph from the text of a graph.yaml, as the daemon makes it: parsed,
 * loaded, described and settled.
 */
#ifndef PGRIPPLE_TESTS_BUILD_GRAPH_H
#define PGRIPPLE_TESTS_BUILD_GRAPH_H

#include <criterion/criterion.h>
#include <string.h>

#include <pgripple/graph.h>

#include "base/arena.h"
#include "base/util.h"
#include "config/yaml.h"

/* In place of the catalog: columns are bigint; those whose names begin with
 * "num" are numeric, which may spell one value in several ways. */
static inline void
describe_graph(struct pgripple_graph *graph)
{
	for (size_t i = 0; i < graph->n_tables; i++)
		for (size_t j = 0; j < graph->tables[i].n_columns; j++) {
			struct pgripple_column *column =
			    &graph->tables[i].columns[j];
			bool numeric = strncmp(column->name, "num", 3) == 0;
			struct pgripple_error err;

			cr_assert_eq(
			    pgripple_graph_describe(graph, column,
				numeric ? "numeric" : "bigint", !numeric, &err),
			    0);
		}
	pgripple_graph_settle(graph);
}

static inline struct pgripple_graph *
build_graph(const char *yaml)
{
	struct arena *arena = arena_new();
	struct pgripple_errors errors = {0};
	struct pgripple_graph *graph = NULL;
	struct node *root;
	int result;

	result =
	    yaml_parse(arena, "graph.yaml", yaml, strlen(yaml), &errors, &root);
	if (result == 0)
		result = pgripple_graph_load(root, &errors, &graph);
	cr_assert_eq(result, 0, "line %d: %s\n%s",
	    errors.n_items > 0 ? errors.items[0].at.line : 0,
	    errors.n_items > 0 ? errors.items[0].text : "no error told", yaml);
	pgripple_errors_done(&errors);
	arena_free(arena);
	describe_graph(graph);
	return graph;
}

static inline size_t
column_index(const struct pgripple_table *table, const char *name)
{
	for (size_t i = 0; i < table->n_columns; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
	cr_assert(false, "no column \"%s\" in %s", name, table->spelled);
	return 0;
}

#endif
