/*
 * The plan: what is to be done in Redis for a walk's touched rows, each
 * operation once.
 */
#ifndef PGRIPPLE_PLAN_H
#define PGRIPPLE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include <pgripple/error.h>
#include <pgripple/walk.h>

enum pgripple_operation_kind {
	PGRIPPLE_OPERATION_UNLINK, /* a key */
	PGRIPPLE_OPERATION_SCAN, /* unlink all keys that match a pattern:
				  * long work, to be done as a task */
};

const char *pgripple_operation_kind_name(enum pgripple_operation_kind kind);

struct pgripple_operation {
	enum pgripple_operation_kind kind;
	const char *key; /* or the pattern; bytes, terminated */
	size_t key_length;
};

struct pgripple_plan {
	struct pgripple_operation *operations; /* UNLINK first, SCAN last */
	size_t n_operations;
	size_t n_unlink;
};

/* Plans all that the walk touched; ends when the walk ends.  -1: NOMEM. */
int pgripple_plan_make(struct pgripple_walk *walk,
    struct pgripple_plan *ret_plan, struct pgripple_error *err)
    PGRIPPLE_MUST_CHECK;

/* Calls back for each operation that a touched row makes (not deduplicated):
 * why a key went. */
typedef void (*pgripple_plan_cb)(void *context,
    const struct pgripple_operation *operation,
    const struct pgripple_rule *rule);
int pgripple_plan_explain(const struct pgripple_touch *touch,
    pgripple_plan_cb report, void *context, struct pgripple_error *err)
    PGRIPPLE_MUST_CHECK;

#endif
