/*
 * What "pgripple import" found in a database: its tables and foreign keys, and
 * the graph.yaml that they make.
 */
#ifndef PGRIPPLE_CLI_IMPORT_H
#define PGRIPPLE_CLI_IMPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct arena;
struct buf;

/* Postgres allows as many in a key (INDEX_MAX_KEYS). */
#define IMPORT_MAX_COLUMNS 32

struct import_columns {
	const char *names[IMPORT_MAX_COLUMNS];
	size_t n;
};

struct import_table {
	const char *schema;
	const char *name;
	const char *model; /* set by import_name() */
	size_t n_columns;
	struct import_columns primary_key; /* none: n is 0 */
	/* Two foreign keys and at most an id, and nobody refers to it; set by
	 * import_find_links(). */
	bool is_link;
};

struct import_key {
	size_t from; /* the table that refers */
	size_t to;
	struct import_columns from_columns;
	struct import_columns to_columns;
	size_t order; /* before they were sorted */
};

struct import {
	struct import_table *tables;
	size_t n_tables;
	struct import_key *keys; /* foreign ones, by table */
	size_t n_keys;
};

/* Gives every table a model name of its own.  -1: NOMEM. */
int import_name(struct arena *arena, struct import *import,
    struct pgripple_error *err) MUST_CHECK;
/* Foreign keys in the order of their tables. */
void import_sort(struct import *import);
void import_find_links(struct import *import);
/* The graph.yaml.  -1: NOMEM. */
int import_print(const struct import *import, struct buf *buf,
    struct pgripple_error *err) MUST_CHECK;

#endif
