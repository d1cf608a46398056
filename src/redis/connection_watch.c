/*
 * The connection's one timer, and the watch over a server that is up: one that
 * owes a reply and is silent is given up, an idle one is asked for a sign of
 * life.
 */
#include <event2/event.h>
#include <hiredis/async.h>

#include "base/clock.h"
#include "redis/connection_private.h"

void
connection_arm_until(struct redis_connection *conn, int64_t due_us)
{
	int64_t left_us = due_us - clock_monotonic_us();
	struct timeval left;

	if (left_us < 0)
		left_us = 0;
	left.tv_sec = (time_t)(left_us / 1000000);
	left.tv_usec = (suseconds_t)(left_us % 1000000);
	conn->due_us = due_us;
	/* Fails only for lack of memory, on the first call for an event; the
	 * daemon's watchdog sees that nothing moves. */
	(void)event_add(conn->timer, &left);
}

void
connection_arm(struct redis_connection *conn, int64_t delay_ms)
{
	connection_arm_until(conn, clock_monotonic_us() + delay_ms * 1000);
}

void
connection_take_timer(struct redis_connection *conn)
{
	/* libevent counts from when the loop woke up: it may be early. */
	if (clock_monotonic_us() < conn->due_us)
		connection_arm_until(conn, conn->due_us);
	else
		connection_step(conn, CONNECTION_EVENT_TIMER, NULL);
}

/* When watch must look again. */
int64_t
connection_watch_due(struct redis_connection *conn)
{
	int64_t timeout_us = conn->options.command_timeout_ms * 1000;
	int64_t since_us = conn->heard_us;

	if (connection_n_pending(conn) == 0)
		return since_us + timeout_us / 2;
	/* A long pipeline that moves is alive: the oldest command's time
	 * begins when the one before it was answered. */
	if (since_us < connection_request_at(conn, conn->n_answered)->sent_us)
		since_us =
		    connection_request_at(conn, conn->n_answered)->sent_us;
	return since_us + timeout_us;
}

static void
on_heartbeat(void *context UNUSED, const struct redis_reply *reply UNUSED)
{
	/* Even an error is a sign of life. */
}

static void
send_heartbeat(struct redis_connection *conn)
{
	static const char *argv[] = {"PING"};
	struct pgripple_error err;

	if (connection_submit(conn, 1, argv, NULL, on_heartbeat, NULL, &err) <
	    0)
		connection_step(conn, CONNECTION_EVENT_FAILED, &err);
}

static void
fail_silent(struct redis_connection *conn)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
	    "redis at \"%s\" owes a reply and was silent for %lld ms",
	    conn->name, (long long)conn->options.command_timeout_ms);
	connection_step(conn, CONNECTION_EVENT_FAILED, &err);
}

void
connection_do_watch(struct redis_connection *conn)
{
	bool is_owed = connection_n_pending(conn) > 0;

	/* It may be us who slept: what has arrived counts. */
	if (is_owed && clock_monotonic_us() >= connection_watch_due(conn))
		redisAsyncHandleRead(conn->ac);
	if (conn->state != CONNECTION_UP)
		return;
	if (clock_monotonic_us() >= connection_watch_due(conn)) {
		if (connection_n_pending(conn) > 0)
			fail_silent(conn);
		else
			send_heartbeat(conn);
	}
	if (conn->state == CONNECTION_UP)
		connection_arm_until(conn, connection_watch_due(conn));
}
