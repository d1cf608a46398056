/*
 * The SQL of a row's image: its columns with their values as captures show
 * them.  Private to this folder.
 */
#ifndef PGRIPPLE_POSTGRES_IMAGE_H
#define PGRIPPLE_POSTGRES_IMAGE_H

#include <pgripple/graph.h>

#include "base/util.h"
#include "postgres/catalog.h"

struct buf;

/* Appends "SELECT row_to_json(image.*) FROM table AS t ..." with the columns
 * wanted, of which the catalog must know the values: a condition on t may
 * follow.  Without any column every image is "{}".  Returns how many columns
 * there are. */
size_t image_print(struct buf *sql, const struct pgripple_table *table,
    const struct catalog_table *known, const struct pgripple_columns *wanted);

#endif
