/*
 * Operations as JSON, as tasks keep them:
 *
 *	{"do":"scan","pattern":"team:*"}
 *	{"do":"scan","pattern":"v:team:*","each":"version"}
 *	{"do":"drain","key":"pgripple:drain:tag:7"}
 *	{"do":"publish","key":"teams","values":["7"]}
 *	{"do":"unlink","key":"s:7","target":"sessions"}
 *
 * Repeats begin with "repeat", since a repeat that waits does not stand for
 * what is to be done now.  Those that are quick share a task, which begins with
 * "all", so that one can see without reading it that it is quick:
 *
 *	{"repeat":2000,"do":"scan","pattern":"team:*"}
 *	{"all":[{"do":"unlink","key":"team:7"}],"repeat":"replicas"}
 *	{"all":[{"do":"fence","key":"fence:team:*","number":9}],"repeat":2000,
 *	 "slot":29100000,"target":"sessions"}
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

/* Of a repeat: what tells it from others. */
struct operation_repeat {
	int64_t after_ms; /* or PGRIPPLE_REPEAT_REPLICAS; 0: it is none */
	/* Coarse repeats of one slot of time are one; 0: a fine one. */
	int64_t slot;
	const char *target; /* its name */
};

/* A scan alone. */
void operation_print_repeat(struct buf *buf,
    const struct pgripple_operation *operation,
    const struct operation_repeat *repeat);
/* Quick ones of one target. */
void operation_open_list(struct buf *buf);
void operation_add_to_list(
    struct buf *buf, const struct pgripple_operation *operation);
void operation_close_list(
    struct buf *buf, const struct operation_repeat *repeat);

/* Into the arena; the number of the target is left at 0.  -1: INPUT if it is
 * none that this version knows, NOMEM. */
int operation_read(struct arena *arena, const char *json, size_t length,
    struct pgripple_operation *ret_operation, const char **ret_target,
    struct pgripple_error *err) MUST_CHECK;

/* The same of a task that may be a list of quick ones. */
int operation_read_all(struct arena *arena, const char *json, size_t length,
    struct pgripple_operation **ret_operations, size_t *ret_n,
    const char **ret_target, struct pgripple_error *err) MUST_CHECK;

/* Whether they do the same to the same key. */
bool operation_equals(
    const struct pgripple_operation *a, const struct pgripple_operation *b);

#endif
