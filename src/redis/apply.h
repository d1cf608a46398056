/*
 * Applies the UNLINK operations of a plan: pipelined, a bounded part of it in
 * flight at a time, every reply checked, and a nonce echoed at the end.
 */
#ifndef PGRIPPLE_REDIS_APPLY_H
#define PGRIPPLE_REDIS_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pgripple/plan.h>

#include "base/util.h"
#include "redis/connection.h"

enum redis_apply_outcome {
	/* Proven: every reply was an integer and the nonce came back. */
	REDIS_APPLY_DONE,
	/* The connection was lost, led to no master any more, or its replies
	 * did not fit: not known what was done.  Do it again after on_up. */
	REDIS_APPLY_LOST,
	/* The server said no; its words are in the error.  The connection
	 * stays.  Do it again after a pause. */
	REDIS_APPLY_REFUSED,
};

const char *redis_apply_outcome_name(enum redis_apply_outcome outcome);

/* n_removed counts the keys that existed; err is NULL when DONE. */
typedef void (*redis_apply_cb)(void *context, enum redis_apply_outcome outcome,
    uint64_t n_removed, const struct pgripple_error *err);

/* Bounds of one command, and of what waits for replies. */
#define REDIS_APPLY_COMMAND_KEYS 100
#define REDIS_APPLY_COMMAND_BYTES ((size_t)64 << 10)
#define REDIS_APPLY_FLIGHT_COMMANDS 256
#define REDIS_APPLY_FLIGHT_BYTES ((size_t)1 << 20)

/* The operations are borrowed until the callback, the nonce is copied; it
 * should be another one each time.  No operations: only the nonce, as a proof
 * that Redis is there.  An accepted call (0) completes exactly once, and not
 * from inside.  -1: PEER when not up, BUG for an operation other than UNLINK
 * or a nonce above 63 bytes, LIMIT, NOMEM. */
int redis_apply(struct redis_connection *connection,
    const struct pgripple_operation *operations, size_t n_operations,
    const char *nonce, redis_apply_cb callback, void *context,
    struct pgripple_error *err) MUST_CHECK;

/* Whether a reply of the wanted kind came; if not, *ret_outcome says what that
 * means, *err why, and replies that do not fit their command drop the
 * connection.  Shared with scan.c. */
bool redis_apply_expect(struct redis_connection *connection,
    const struct redis_reply *reply, enum redis_reply_kind kind,
    const char *command, enum redis_apply_outcome *ret_outcome,
    struct pgripple_error *err) MUST_CHECK;

#endif
