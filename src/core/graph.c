/*
 * The relation graph: loading it, asking it, and what it learns from the
 * catalog.
 */
#include <pgripple/graph.h>

#include <stdlib.h>
#include <string.h>

#include "core/graph_spec.h"

const char *
pgripple_op_name(enum pgripple_op op)
{
	switch (op) {
	case PGRIPPLE_OP_INSERT:
		return "insert";
	case PGRIPPLE_OP_UPDATE:
		return "update";
	case PGRIPPLE_OP_DELETE:
		return "delete";
	case PGRIPPLE_OP_TRUNCATE:
		return "truncate";
	case PGRIPPLE_OP_PING:
		return "ping";
	case PGRIPPLE_OP_INVALIDATE:
		return "invalidate";
	}
	return "unknown";
}

const char *
pgripple_rule_kind_name(enum pgripple_rule_kind kind)
{
	switch (kind) {
	case PGRIPPLE_RULE_KEY:
		return "key";
	case PGRIPPLE_RULE_HASH:
		return "hash";
	case PGRIPPLE_RULE_TAG:
		return "tag";
	case PGRIPPLE_RULE_VERSION:
		return "version";
	case PGRIPPLE_RULE_FENCE:
		return "fence";
	case PGRIPPLE_RULE_PATTERN:
		return "pattern";
	case PGRIPPLE_RULE_PUBLISH:
		return "publish";
	case PGRIPPLE_RULE_STREAM:
		return "stream";
	case PGRIPPLE_RULE_CACHEOPS:
		return "cacheops";
	}
	return "unknown";
}

static void
free_scratch(struct arena **arena)
{
	arena_free(*arena);
}

static void
free_graph(struct pgripple_graph **graph)
{
	pgripple_graph_free(*graph);
}

static struct pgripple_graph *
graph_new(void)
{
	struct arena *arena = arena_new();
	struct pgripple_graph *graph;

	if (arena == NULL)
		return NULL;
	graph = arena_alloc(arena, sizeof(*graph));
	if (graph == NULL) {
		arena_free(arena);
		return NULL;
	}
	graph->arena = arena;
	return graph;
}

static size_t
count(const struct pgripple_errors *errors)
{
	return errors->n_items + errors->n_dropped;
}

int
pgripple_graph_load(const struct node *root, struct pgripple_errors *errors,
    struct pgripple_graph **ret_graph)
{
	CLEANUP(free_graph) struct pgripple_graph *graph = graph_new();
	CLEANUP(free_scratch) struct arena *scratch = arena_new();
	struct loader l = {.scratch = scratch, .errors = errors};
	size_t n_before = count(errors);
	struct pgripple_error err;

	if (graph == NULL || scratch == NULL) {
		(void)pgripple_error_nomem(&err);
		pgripple_errors_take(errors, &err);
		return -1;
	}
	l.arena = graph->arena;
	shape_read(&l, root);
	if (!l.out_of_memory)
		meaning_check(&l);
	if (!l.out_of_memory && count(errors) == n_before)
		graph_compile(&l, graph);
	if (l.out_of_memory) {
		(void)pgripple_error_nomem(&err);
		pgripple_errors_take(errors, &err);
	}
	if (count(errors) != n_before)
		return -1;
	*ret_graph = steal(&graph);
	return 0;
}

void
pgripple_graph_free(struct pgripple_graph *graph)
{
	if (graph != NULL)
		arena_free(graph->arena);
}

int
pgripple_graph_describe(struct pgripple_graph *graph,
    struct pgripple_column *column, const char *type, bool text_equality,
    struct pgripple_error *err)
{
	/* Described again and again, at every reload of the catalog. */
	if (type == NULL) {
		column->type = NULL;
	} else if (column->type == NULL || strcmp(column->type, type) != 0) {
		const char *copy = arena_strdup(graph->arena, type);

		if (copy == NULL)
			return pgripple_error_nomem(err);
		column->type = copy;
	}
	column->text_equality = text_equality;
	return 0;
}

static bool
is_integer(const char *type)
{
	return strcmp(type, "smallint") == 0 || strcmp(type, "integer") == 0 ||
	       strcmp(type, "bigint") == 0;
}

/* True if equal values of both columns have the same text. */
static bool
spelled_alike(const struct pgripple_column *a, const struct pgripple_column *b)
{
	if (a->type == NULL || b->type == NULL || !a->text_equality ||
	    !b->text_equality)
		return false;
	return strcmp(a->type, b->type) == 0 ||
	       (is_integer(a->type) && is_integer(b->type));
}

struct pgripple_columns
pgripple_relation_missing(const struct pgripple_relation *relation)
{
	struct pgripple_columns missing = relation->transitive
					      ? relation->to->needed_to_pass
					      : relation->to->needed_to_stop;

	for (size_t i = 0; i < relation->n_columns; i++) {
		size_t to = relation->to_columns[i];

		missing.bits[to / 64] &= ~(UINT64_C(1) << (to % 64));
	}
	return missing;
}

bool
pgripple_relation_is_spelled_alike(
    const struct pgripple_relation *relation, size_t pair)
{
	size_t from = relation->from_columns[pair];
	size_t to = relation->to_columns[pair];

	return spelled_alike(&relation->from->table->columns[from],
	    &relation->to->table->columns[to]);
}

static bool
is_direct(const struct pgripple_relation *relation)
{
	struct pgripple_columns missing = pgripple_relation_missing(relation);

	if (!relation->enabled)
		return false;
	for (size_t i = 0; i < relation->n_columns; i++)
		if (!pgripple_relation_is_spelled_alike(relation, i))
			return false;
	for (size_t i = 0; i < N_ELEMENTS(missing.bits); i++)
		if (missing.bits[i] != 0)
			return false;
	return true;
}

void
pgripple_graph_settle(struct pgripple_graph *graph)
{
	for (size_t i = 0; i < graph->n_models; i++)
		if (pgripple_table_adopts(graph->models[i].table))
			graph_find_needed(&graph->models[i]);
	for (size_t i = 0; i < graph->n_relations; i++)
		graph->relations[i].direct = is_direct(&graph->relations[i]);
}

static int
compare_text(const char *string, const char *bytes, size_t length)
{
	size_t string_length = strlen(string);
	int order = memcmp(
	    string, bytes, string_length < length ? string_length : length);

	if (order != 0)
		return order;
	return (string_length > length) - (string_length < length);
}

static int
compare_table(const struct pgripple_table *table, const char *schema,
    size_t schema_length, const char *name, size_t name_length)
{
	int order = compare_text(table->name, name, name_length);

	return order != 0 ? order
			  : compare_text(table->schema, schema, schema_length);
}

static int
compare_tables(const void *a, const void *b)
{
	const struct pgripple_table *first = *(struct pgripple_table *const *)a;
	const struct pgripple_table *second =
	    *(struct pgripple_table *const *)b;

	return compare_table(first, second->schema, strlen(second->schema),
	    second->name, strlen(second->name));
}

void
graph_sort_tables(struct pgripple_graph *graph)
{
	for (size_t i = 0; i < graph->n_tables; i++)
		graph->tables_by_name[i] = &graph->tables[i];
	if (graph->n_tables > 1)
		qsort(graph->tables_by_name, graph->n_tables,
		    sizeof(struct pgripple_table *), compare_tables);
}

struct pgripple_table *
pgripple_graph_table(const struct pgripple_graph *graph, const char *schema,
    size_t schema_length, const char *name, size_t name_length)
{
	size_t from = 0;
	size_t to = graph->n_tables;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		struct pgripple_table *table = graph->tables_by_name[middle];
		int order = compare_table(
		    table, schema, schema_length, name, name_length);

		if (order == 0)
			return table;
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

struct pgripple_model *
pgripple_graph_model(const struct pgripple_graph *graph, const char *name)
{
	for (size_t i = 0; i < graph->n_models; i++)
		if (strcmp(graph->models[i].name, name) == 0)
			return &graph->models[i];
	return NULL;
}
