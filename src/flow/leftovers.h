/*
 * What rows of django-cacheops leave to be done later, by a batch as tasks and
 * by a task as its own next steps.
 */
#ifndef PGRIPPLE_FLOW_LEFTOVERS_H
#define PGRIPPLE_FLOW_LEFTOVERS_H

#include "base/util.h"
#include "redis/apply.h"

struct arena;

/* Appends an operation to *n of them, which have room for one more, unless it
 * is among them: a dependency that is to be drained, or a scan for such.  Each
 * scan is a walk through all keys, so that of many one for the whole table is
 * made.  row is what left it; the texts are copied to the arena.  -1: NOMEM. */
int leftovers_add(struct arena *arena, const struct redis_apply_result *result,
    const struct redis_leftover *left, const struct pgripple_operation *row,
    struct pgripple_operation *operations, size_t *n,
    struct pgripple_error *err) MUST_CHECK;

#endif
