/*
 * Cells of one kind: cacheops_number.c and cacheops_time.c, for cacheops.c.
 */
#ifndef PGRIPPLE_CORE_CACHEOPS_PRIVATE_H
#define PGRIPPLE_CORE_CACHEOPS_PRIVATE_H

#include "core/cacheops.h"

/* Print the cell of a text; "?" when it has no spelling that is sure. */
void cacheops_print_decimals(
    struct buf *buf, const struct pgripple_value *value);
void cacheops_print_floats(struct buf *buf, const struct pgripple_value *value);
void cacheops_print_date(struct buf *buf, const struct pgripple_value *value);
void cacheops_print_time(struct buf *buf, const struct pgripple_value *value);
void cacheops_print_timestamp(
    struct buf *buf, const struct pgripple_value *value);

#endif
