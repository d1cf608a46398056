/*
 * What a touched row makes by the rules of its model: operations, one after the
 * other.
 */
#ifndef PGRIPPLE_CORE_EMIT_H
#define PGRIPPLE_CORE_EMIT_H

#include <pgripple/plan.h>

#include "base/buf.h"
#include "base/util.h"

/* The operation is lent; returning -1 ends it. */
typedef int (*emit_cb)(void *context,
    const struct pgripple_operation *operation,
    const struct pgripple_rule *rule);

/* Made with the first three members and zeroes.  The operation under way is one
 * text, cut into pieces: key and values. */
struct emitter {
	emit_cb emit;
	void *context;
	uint32_t whole_targets; /* see pgripple_plan_make() */
	bool repeats; /* tell them of "whole_model", too */
	const struct pgripple_rule *rule;
	const struct pgripple_target *target; /* the rule's, mostly */
	const struct pgripple_touch *touch;
	struct buf text;
	size_t start; /* of the piece under way */
	struct pgripple_bytes *pieces;
	size_t n_pieces;
	size_t capacity;
};

void emitter_done(struct emitter *emitter);

/* -1: the callback said so, or memory ran out. */
int emit_touch(
    struct emitter *emitter, const struct pgripple_touch *touch) MUST_CHECK;

#endif
