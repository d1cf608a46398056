/*
 * What rows of django-cacheops leave to be done later.
 */
#include "flow/leftovers.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/glob.h"
#include "core/operation.h"

/* Of patterns, of one batch or task. */
#define MANY 20

static int
name_key(struct arena *arena, const struct redis_leftover *left, bool has_many,
    const struct pgripple_operation *row, struct pgripple_operation *operation)
{
	CLEANUP(buf_done) struct buf key = BUF_INIT;

	if (left->is_pattern && has_many) {
		glob_escape(&key, row->key, row->key_length);
		buf_add_char(&key, '*');
	} else {
		buf_add(&key, left->key, left->key_length);
	}
	if (key.failed)
		return -1;
	operation->key = arena_copy(arena, key.bytes, key.n);
	operation->key_length = key.n;
	return operation->key == NULL ? -1 : 0;
}

int
leftovers_add(struct arena *arena, const struct redis_apply_result *result,
    const struct redis_leftover *left, const struct pgripple_operation *row,
    struct pgripple_operation *operations, size_t *n,
    struct pgripple_error *err)
{
	struct pgripple_operation operation = {
	    .kind = left->is_pattern ? PGRIPPLE_OPERATION_SCAN
				     : PGRIPPLE_OPERATION_CONJ,
	    .each = PGRIPPLE_OPERATION_CONJ,
	    .target = row->target,
	};

	if (name_key(arena, left, result->n_leftovers > MANY, row, &operation) <
	    0)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < *n; i++)
		if (operation_equals(&operation, &operations[i]))
			return 0;
	operations[(*n)++] = operation;
	return 0;
}
