/*
 * Operations as JSON, as tasks keep them:
 *
 *	{"do":"scan","pattern":"team:*"}
 *	{"do":"scan","pattern":"v:team:*","each":"version"}
 *	{"do":"drain","key":"pgripple:drain:tag:7"}
 *	{"do":"publish","key":"teams","values":["7"]}
 */
#ifndef PGRIPPLE_CORE_OPERATION_H
#define PGRIPPLE_CORE_OPERATION_H

#include <pgripple/plan.h>

#include "base/util.h"

struct arena;
struct buf;

void operation_print(
    struct buf *buf, const struct pgripple_operation *operation);

/* Into the arena.  -1: INPUT if it is none that this version knows, NOMEM. */
int operation_read(struct arena *arena, const char *json, size_t length,
    struct pgripple_operation *ret_operation,
    struct pgripple_error *err) MUST_CHECK;

/* Whether they do the same to the same key. */
bool operation_equals(
    const struct pgripple_operation *a, const struct pgripple_operation *b);

#endif
