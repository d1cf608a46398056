/*
 * Applies the operations of a plan: pipelined, a bounded part of it in flight
 * at a time, every reply checked, and a nonce echoed at the end.
 */
#ifndef PGRIPPLE_REDIS_APPLY_H
#define PGRIPPLE_REDIS_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pgripple/plan.h>

#include "base/util.h"
#include "redis/connection.h"

struct buf;
struct redis_mark;

enum redis_apply_outcome {
	/* Proven: every reply fitted its command, and the nonce or the mark
	 * came back.  What was refused for good is in the result. */
	REDIS_APPLY_DONE,
	/* The connection was lost, led to no master any more, or its replies
	 * did not fit: not known what was done.  Do it again after on_up. */
	REDIS_APPLY_LOST,
	/* The server said no, for now; its words are in the error.  The
	 * connection stays.  Do it again after a pause. */
	REDIS_APPLY_REFUSED,
};

const char *redis_apply_outcome_name(enum redis_apply_outcome outcome);

/* An operation that Redis refuses for what its key is, however often it is
 * asked: a wrong type, a key that the user must not touch. */
struct redis_rejection {
	size_t operation; /* index */
	const char *reason; /* with Redis's words */
};

/* What is left to be done, as a task: a tag that has more members than are
 * unlinked at once is drained; of rows of django-cacheops there is one for each
 * large dependency, and for each pattern of such. */
struct redis_leftover {
	size_t operation; /* index */
	bool is_aside; /* TAG: what lies at redis_tag_aside() */
	bool is_itself; /* TAG: the tag as it is */
	/* CACHEOPS: a key, or a pattern; terminated. */
	const char *key;
	size_t key_length;
	bool is_pattern;
};

/* Lent for the callback; empty unless DONE, but for the mark. */
struct redis_apply_result {
	uint64_t n_removed; /* keys, fields, and members of tags that existed */
	const struct redis_rejection *rejections;
	size_t n_rejections;
	const struct redis_leftover *leftovers;
	size_t n_leftovers;
	/* Whatever the outcome: the mark was set; not by a Redis that is full,
	 * which is no reason to apply anything again. */
	bool is_marked;
	/* What was found in its place ("": nothing); NULL: not known. */
	const char *mark_found;
};

/* err is NULL when DONE. */
typedef void (*redis_apply_cb)(void *context, enum redis_apply_outcome outcome,
    const struct redis_apply_result *result, const struct pgripple_error *err);

/* Bounds of one command, and of what waits for replies. */
#define REDIS_APPLY_COMMAND_KEYS 100
#define REDIS_APPLY_COMMAND_BYTES ((size_t)64 << 10)
#define REDIS_APPLY_FLIGHT_COMMANDS 256
#define REDIS_APPLY_FLIGHT_UNHURRIED 2
#define REDIS_APPLY_FLIGHT_BYTES ((size_t)1 << 20)

struct redis_apply_options {
	/* Told at the end; another one each time, and never one again, for it
	 * is what fences hold, too.  Copied. */
	const char *nonce;
	/* A tag with more is put aside; of a drained one so many go. */
	int64_t tag_members;
	/* Few commands at a time, since Redis does all that it has received
	 * from one client before it looks at the next. */
	bool is_unhurried;
	/* Behind the operations, instead of the nonce; or NULL.  Borrowed until
	 * the callback. */
	const struct redis_mark *mark;
};

/* Any kind but SCAN, each kind after those before it in their enumeration.
 * The operations are borrowed until the callback.  No operations: only the
 * nonce, as a proof that Redis is there.  An accepted call (0) completes
 * exactly once, and not from inside.  -1: PEER when not up, BUG for SCAN or a
 * nonce above 95 bytes, LIMIT, NOMEM. */
int redis_apply(struct redis_connection *connection,
    const struct pgripple_operation *operations, size_t n_operations,
    const struct redis_apply_options *options, redis_apply_cb callback,
    void *context, struct pgripple_error *err) MUST_CHECK;

/* Appends the key under which a large tag waits to be drained. */
void redis_tag_aside(
    struct buf *key, const char *prefix, const char *tag, size_t length);

/* Whether a reply of the wanted kind came; if not, *ret_outcome says what that
 * means, *err why, and replies that do not fit their command drop the
 * connection.  Shared with scan.c. */
bool redis_apply_expect(struct redis_connection *connection,
    const struct redis_reply *reply, enum redis_reply_kind kind,
    const char *command, enum redis_apply_outcome *ret_outcome,
    struct pgripple_error *err) MUST_CHECK;

#endif
