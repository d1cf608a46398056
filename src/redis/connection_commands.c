/*
 * The commands under way.  They are remembered here, in the order in which they
 * were sent, and not only in hiredis: so the age of the oldest is known, a
 * command completes exactly once whatever hiredis does, and a reply that
 * reaches the wrong callback (hiredis 0.14 drops a callback when malloc()
 * fails) is noticed.
 */
#include <hiredis/async.h>

#include "base/clock.h"
#include "redis/connection_private.h"

static bool
is_live(const struct redis_connection *conn)
{
	return conn->state == CONNECTION_VERIFYING ||
	       conn->state == CONNECTION_UP;
}

uint64_t
connection_n_pending(const struct redis_connection *conn)
{
	return conn->n_sent - conn->n_answered;
}

struct request *
connection_request_at(struct redis_connection *conn, uint64_t number)
{
	return &conn->requests[number % REDIS_MAX_PENDING];
}

static void
fail_desynced(struct redis_connection *conn)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
	    "redis at \"%s\" sent a reply that belongs to another command",
	    conn->name);
	connection_step(conn, CONNECTION_EVENT_FAILED, &err);
}

static void
fail_demoted(struct redis_connection *conn, const struct redis_reply *reply)
{
	struct pgripple_error err;

	(void)redis_reply_refuse(reply, conn->name, "a command", &err);
	connection_step(conn, CONNECTION_EVENT_FAILED, &err);
}

static void
take_reply(struct redis_connection *conn, uint64_t number,
    const struct redis_reply *reply)
{
	struct request request;

	if (!is_live(conn))
		return; /* too late: it completes with the release */
	if (number != (uintptr_t)conn->n_answered) {
		fail_desynced(conn);
		return;
	}
	request = *connection_request_at(conn, conn->n_answered++);
	conn->heard_us = clock_monotonic_us();
	request.callback(request.context, reply);
	if (reply->kind == REDIS_REPLY_KIND_ERROR &&
	    redis_refusal_of(reply->text) == REDIS_REFUSAL_ROLE)
		fail_demoted(conn, reply);
}

/* hiredis's NULL for a lost connection is not needed: see
 * connection_complete_all(). */
static void
on_reply(redisAsyncContext *ac, void *raw, void *number)
{
	struct redis_reply reply;

	if (raw == NULL)
		return;
	reply = redis_reply_from(raw);
	take_reply(ac->data, (uintptr_t)number, &reply);
}

int
connection_submit(struct redis_connection *conn, int argc, const char **argv,
    const size_t *lengths, redis_reply_cb callback, void *context,
    struct pgripple_error *err)
{
	if (connection_n_pending(conn) >= REDIS_MAX_PENDING)
		return pgripple_error_set(err, PGRIPPLE_ERROR_LIMIT,
		    "%d commands to redis at \"%s\" are under way",
		    REDIS_MAX_PENDING, conn->name);
	/* The number travels as a pointer: there is nothing to be freed. */
	if (redisAsyncCommandArgv(conn->ac, on_reply,
		(void *)(uintptr_t)conn->n_sent, argc, argv,
		lengths) != REDIS_OK)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "could not send to redis at \"%s\"", conn->name);
	redis_guard_expect(&conn->guard);
	*connection_request_at(conn, conn->n_sent++) =
	    (struct request){callback, context, clock_monotonic_us()};
	return 0;
}

void
connection_complete_all(struct redis_connection *conn)
{
	while (connection_n_pending(conn) > 0) {
		struct request request =
		    *connection_request_at(conn, conn->n_answered++);

		request.callback(request.context, NULL);
	}
}

int
redis_command(struct redis_connection *conn, int argc, const char **argv,
    const size_t *lengths, redis_reply_cb callback, void *context,
    struct pgripple_error *err)
{
	if (!redis_connection_is_up(conn))
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "redis at \"%s\" is not connected", conn->name);
	return connection_submit(
	    conn, argc, argv, lengths, callback, context, err);
}
