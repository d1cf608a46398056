/*
 * Whether a rule or relation applies to a touched row.
 */
#ifndef PGRIPPLE_CORE_CONDITION_H
#define PGRIPPLE_CORE_CONDITION_H

#include <pgripple/graph.h>
#include <pgripple/walk.h>

/* "ops" and "changed" hold back changed rows only; "where" is judged by the
 * values of the one image at hand.  What is not known passes. */
enum pgripple_verdict condition_judge(
    const struct pgripple_condition *condition,
    const struct pgripple_touch *touch, size_t *ret_column);

#endif
