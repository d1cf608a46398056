/*
 * One row of a table as it is now, found by its primary key: for the command
 * line.
 */
#ifndef PGRIPPLE_POSTGRES_TABLE_ROW_H
#define PGRIPPLE_POSTGRES_TABLE_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include <pgripple/graph.h>

#include "base/util.h"
#include "postgres/catalog.h"

struct arena;
struct command;

struct table_column {
	const char *name;
	bool is_key; /* of the primary key */
};

/* The columns that the table has, in its order; in the arena. */
int table_columns_read(struct command *command,
    const struct catalog_table *known, struct arena *arena,
    const struct table_column **ret_columns, size_t *ret_n_columns,
    struct pgripple_error *err) MUST_CHECK;

/* Reads the captured columns of the row whose primary key is keys: a text for
 * each column of it, in the order of columns.  *ret_image is JSON as captures
 * have it, in the arena; NULL if there is no such row. */
int table_row_read(struct command *command, const struct pgripple_table *table,
    const struct catalog_table *known, const struct table_column *columns,
    size_t n_columns, const char *const *keys, struct arena *arena,
    const char **ret_image, struct pgripple_error *err) MUST_CHECK;

#endif
