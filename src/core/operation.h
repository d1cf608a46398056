/*
 * Operations as JSON, as tasks keep them:
 *
 *	{"do":"scan","pattern":"team:*"}
 *	{"do":"scan","pattern":"v:team:*","each":"version"}
 *	{"do":"drain","key":"pgripple:drain:tag:7"}
 *	{"do":"publish","key":"teams","values":["7"]}
 *	{"do":"unlink","key":"s:7","target":"sessions"}
 */
#ifndef PGRIPPLE_CORE_OPERATION_H
#define PGRIPPLE_CORE_OPERATION_H

#include <pgripple/plan.h>

#include "base/util.h"

struct arena;
struct buf;

/* The number of a target means something only beside the settings of the day:
 * a task has its name, unless that is "default". */
void operation_print(struct buf *buf,
    const struct pgripple_operation *operation, const char *target);

/* Into the arena; the number of the target is left at 0.  -1: INPUT if it is
 * none that this version knows, NOMEM. */
int operation_read(struct arena *arena, const char *json, size_t length,
    struct pgripple_operation *ret_operation, const char **ret_target,
    struct pgripple_error *err) MUST_CHECK;

/* Whether they do the same to the same key. */
bool operation_equals(
    const struct pgripple_operation *a, const struct pgripple_operation *b);

#endif
