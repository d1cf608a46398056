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

/* In the order in which they are done: a fence stands before its key goes, and
 * messages are sent when all that they tell of was done. */
enum pgripple_operation_kind {
	PGRIPPLE_OPERATION_FENCE, /* set a fence for "number" ms */
	PGRIPPLE_OPERATION_UNLINK, /* a key */
	PGRIPPLE_OPERATION_HDEL, /* values[0], a field of a hash */
	PGRIPPLE_OPERATION_VERSION, /* raise a counter */
	PGRIPPLE_OPERATION_TAG, /* unlink a set of keys and all its members */
	PGRIPPLE_OPERATION_CACHEOPS, /* what django-cacheops cached of a row;
				      * see core/cacheops.h.  Values: table,
				      * mode, layout, fields, cells */
	PGRIPPLE_OPERATION_PUBLISH, /* values[0] on a channel */
	PGRIPPLE_OPERATION_STREAM, /* add an entry: names and values in turn;
				    * "number" is about how many to keep, 0
				    * for all */
	/* Long work, to be done as tasks. */
	PGRIPPLE_OPERATION_SCAN, /* for each key that matches a pattern */
	PGRIPPLE_OPERATION_DRAIN, /* TAG in slices, however many members */
	PGRIPPLE_OPERATION_CONJ, /* a dependency of django-cacheops, the same
				  * way, or a key that is no set */
};

#define PGRIPPLE_OPERATION_KINDS (PGRIPPLE_OPERATION_CONJ + 1)

const char *pgripple_operation_kind_name(enum pgripple_operation_kind kind);

/* Before the cells among the values of CACHEOPS. */
#define PGRIPPLE_CACHEOPS_CELLS 4

/* Bytes, terminated for convenience. */
struct pgripple_bytes {
	const char *bytes;
	size_t length;
};

struct pgripple_operation {
	enum pgripple_operation_kind kind;
	enum pgripple_operation_kind each; /* SCAN: what is done to each key:
					    * UNLINK, VERSION, DRAIN or CONJ */
	size_t target; /* in graph->targets */
	const char *key; /* or pattern, channel, stream; bytes, terminated */
	size_t key_length;
	const struct pgripple_bytes *values;
	size_t n_values;
	int64_t number;
};

/* An operation that is to be done once more. */
struct pgripple_repeat {
	const struct pgripple_operation *operation; /* of the plan */
	int64_t after_ms; /* or PGRIPPLE_REPEAT_REPLICAS */
};

struct pgripple_plan {
	/* First those to be done now, then tasks; of either by their targets,
	 * of each target by their kinds. */
	struct pgripple_operation *operations;
	size_t n_operations;
	size_t n_now;
	struct pgripple_repeat *repeats; /* by time, then as operations are */
	size_t n_repeats;
};

enum pgripple_plan_outcome {
	PGRIPPLE_PLAN_DONE = 0,
	PGRIPPLE_PLAN_COARSE = 1, /* past limits.plan_bytes: whole models */
};

/* Plans all that the walk touched; ends when the walk ends.  On targets of that
 * set (bit 1 << index) rows stand for their whole models, so that what is
 * planned has a bound: the rules.  -1: NOMEM. */
int pgripple_plan_make(struct pgripple_walk *walk, uint32_t whole_targets,
    struct pgripple_plan *ret_plan, struct pgripple_error *err)
    PGRIPPLE_MUST_CHECK;

/* The repeats alone, with whole models in the place of all rows: a few coarse
 * ones for any number of fine ones.  The operations are those of the repeats.
 * -1: NOMEM. */
int pgripple_plan_coarse_repeats(struct pgripple_walk *walk,
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
