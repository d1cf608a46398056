/*
 * The daemon's connection to Redis: connects, verifies what it reached, keeps
 * watch, and when it is lost connects again, with growing pauses, for ever.
 *
 * A connection that is up was seen to lead to a master (see verify.h).  A
 * server that stays silent for command_timeout_ms while it owes a reply is
 * given up; an idle one is asked for a sign of life.
 *
 * A host name is resolved, and sentinels are asked, when an attempt begins; all
 * addresses of a name are tried in turn before there is a pause.
 *
 * No function calls back before it returns.
 */
#ifndef PGRIPPLE_REDIS_CONNECTION_H
#define PGRIPPLE_REDIS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "redis/reply.h"
#include "redis/verify.h"

struct event_base;
struct redis_connection;

struct redis_options {
	/* Borrowed for redis_connection_new(): */
	const char *url;
	const char *target; /* for the log; NULL if there is but one */
	const char *prefix; /* of keys that are made here; may be NULL */
	int64_t connect_timeout_ms; /* until it is up: name look-up excluded */
	int64_t command_timeout_ms; /* of silence while a reply is owed */
	int64_t retry_max_ms; /* bound of the pause between attempts */
	int64_t sentinel_interval_ms; /* of asking them who the master is */
	int64_t reply_bytes; /* the largest reply that is read */
};

struct redis_listener {
	void *context;
	void (*on_up)(void *context);
	/* Follows every on_up, but for a stop; all commands have completed. */
	void (*on_down)(void *context, const struct pgripple_error *err);
};

typedef void (*redis_stopped_cb)(void *context);

/* The reply to a command, lent for the call; NULL when the connection was
 * lost: the command may have been executed or not. */
typedef void (*redis_reply_cb)(void *context, const struct redis_reply *reply);

/* -1: CONFIG when the URL is bad, NOMEM. */
int redis_connection_new(struct event_base *base,
    const struct redis_options *options, const struct redis_listener *listener,
    struct redis_connection **ret_connection,
    struct pgripple_error *err) MUST_CHECK;

/* Not from inside a callback of this connection, but for on_stopped.  Commands
 * that are still under way complete with NULL. */
void redis_connection_free(struct redis_connection *connection);

/* Begins to connect; no effect unless stopped.  Never gives up. */
void redis_connection_start(struct redis_connection *connection);

/* Closes without waiting for replies: what is under way completes with NULL,
 * then on_stopped is called, once (a second stop meanwhile has no effect).
 * May be started again afterwards. */
void redis_connection_stop(struct redis_connection *connection,
    redis_stopped_cb on_stopped, void *context);

bool redis_connection_is_up(const struct redis_connection *connection);

/* "redis://127.0.0.1:6379/0", without user and password. */
const char *redis_connection_describe(
    const struct redis_connection *connection);

/* Of keys that are made here; may be empty. */
const char *redis_connection_prefix(const struct redis_connection *connection);

/* Of the server verified last; empty strings if there was none. */
const struct redis_server *redis_connection_server(
    const struct redis_connection *connection);

/* Sends a command; accepted only while up (else -1, PEER) and while fewer than
 * REDIS_MAX_PENDING are under way (else -1, LIMIT).  The arguments are copied.
 * An accepted command completes exactly once.
 *
 * Error replies are for the callback to judge; one that says that the server
 * is no master any more drops the connection after the callback. */
#define REDIS_MAX_PENDING 1024
int redis_command(struct redis_connection *connection, int argc,
    const char **argv, const size_t *lengths, redis_reply_cb callback,
    void *context, struct pgripple_error *err) MUST_CHECK;

/* Drops the connection, for a reason only the caller can see (replies that do
 * not fit the commands); it connects again.  No effect unless up. */
void redis_connection_drop(
    struct redis_connection *connection, const struct pgripple_error *why);

#endif
