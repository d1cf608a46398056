/*
 * The mark: a key in Redis that names the last batch that was applied, and the
 * one before it.  Redis keeps the order of commands, so that whatever state it
 * went back to, the mark in it tells which operations that state has seen.
 *
 * A server that is demoted, made equal to another one, and promoted again goes
 * back, too, and keeps its connections open.  It cannot do so without another
 * replication id, which therefore is looked at behind each mark: while it stays
 * the same, nothing was taken back (https://redis.io/docs/latest/operate/
 * oss_and_stack/management/replication/).
 */
#ifndef PGRIPPLE_REDIS_MARK_H
#define PGRIPPLE_REDIS_MARK_H

#include <stdbool.h>

#include "base/util.h"
#include "redis/apply.h"
#include "redis/connection.h"

/* "name of the batch, that of the one before", and more where somebody sees
 * need; longer ones are none of ours. */
#define REDIS_MARK_TEXT 256

/* What is to be set behind operations; see redis_apply(). */
struct redis_mark {
	const char *key;
	const char *text;
	const char *before; /* that it replaces; "" if there is none */
	const char *replication_id; /* that the server still has */
};

/* What a look found; lent for the callback. */
struct redis_look {
	const char *mark; /* "" if there is none */
	const char *run_id;
	const char *replication_id;
	bool is_empty; /* there is no key at all */
};

/* The look is NULL unless DONE. */
typedef void (*redis_look_cb)(void *context, enum redis_apply_outcome outcome,
    const struct redis_look *look, const struct pgripple_error *err);

/* Looks at the mark.  An accepted call (0) completes exactly once, and not from
 * inside.  -1: PEER when not up, LIMIT, NOMEM. */
int redis_look(struct redis_connection *connection, const char *key,
    redis_look_cb callback, void *context,
    struct pgripple_error *err) MUST_CHECK;

/* Sets a mark that was lost (evicted, flushed) again, unless there is one by
 * now; nobody waits for it. */
int redis_mark_again(struct redis_connection *connection, const char *key,
    const char *text, struct pgripple_error *err) MUST_CHECK;

/* The replication id that INFO tells; false, and *err is filled, if the server
 * is no master any more, or tells none. */
bool redis_replication_id(struct redis_connection *connection,
    const struct redis_reply *info, char *id, size_t size,
    struct pgripple_error *err) MUST_CHECK;

#endif
