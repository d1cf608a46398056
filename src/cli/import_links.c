/*
 * Which tables are links between two others: many-to-many relations.
 */
#include "cli/import.h"

#include <stdlib.h>
#include <string.h>

static int
compare_keys(const void *a, const void *b)
{
	const struct import_key *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void
import_sort(struct import *import)
{
	for (size_t i = 0; i < import->n_keys; i++)
		import->keys[i].order = i;
	if (import->n_keys > 0)
		qsort(import->keys, import->n_keys, sizeof(*import->keys),
		    compare_keys);
}

static bool
has_column(const struct import_columns *columns, const char *name)
{
	for (size_t i = 0; i < columns->n; i++)
		if (strcmp(columns->names[i], name) == 0)
			return true;
	return false;
}

static bool
have_common(const struct import_columns *a, const struct import_columns *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (has_column(b, a->names[i]))
			return true;
	return false;
}

/* Whether all of the table's columns are those of two foreign keys, but for an
 * id of its own. */
static bool
is_link(const struct import_table *table, const struct import_columns *a,
    const struct import_columns *b)
{
	size_t n_id = 0;

	if (have_common(a, b))
		return false;
	if (table->primary_key.n == 1 &&
	    !has_column(a, table->primary_key.names[0]) &&
	    !has_column(b, table->primary_key.names[0]))
		n_id = 1;
	return table->n_columns == a->n + b->n + n_id;
}

void
import_find_links(struct import *import)
{
	const struct import_key *keys = import->keys;
	size_t n = import->n_keys;

	for (size_t i = 0; i + 1 < n; i++) {
		struct import_table *table = &import->tables[keys[i].from];

		/* Just two, side by side. */
		if (keys[i + 1].from != keys[i].from ||
		    (i > 0 && keys[i - 1].from == keys[i].from) ||
		    (i + 2 < n && keys[i + 2].from == keys[i].from))
			continue;
		table->is_link = is_link(
		    table, &keys[i].from_columns, &keys[i + 1].from_columns);
	}
	/* What others refer to is more than a link. */
	for (size_t i = 0; i < n; i++)
		import->tables[keys[i].to].is_link = false;
}
