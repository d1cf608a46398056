/*
 * From the attempt to connect until the connection is up, and the pause after
 * one that failed.
 *
 * A context is freed in one place, the deferred release, never inside one of
 * its callbacks.  When hiredis says that a context failed it frees it itself:
 * then it is only forgotten.
 */
#include <stdio.h>
#include <string.h>

#include <event2/event.h>
#include <hiredis/async.h>

#include "base/clock.h"
#include "observe/log.h"
#include "redis/adapter.h"
#include "redis/connection_private.h"
#include "redis/socket.h"
#include "redis/tls.h"

#define COMPLAIN_EVERY_US (INT64_C(60) * 1000 * 1000)

/* The context of hiredis. */

/* Why a connection ended: what the server did, or what the socket says. */
static const char *
reason_of(const struct redis_connection *conn, const redisAsyncContext *ac)
{
	if (conn->guard.fault != NULL)
		return conn->guard.fault;
	return ac->c.errstr[0] != '\0' ? ac->c.errstr : "closed";
}

/* The context failed and is being freed by hiredis. */
static void
forget_context(struct redis_connection *conn, const redisAsyncContext *ac,
    const char *what)
{
	struct pgripple_error err;

	if (conn->ac != ac)
		return; /* freed by connection_close_context() */
	conn->ac = NULL;
	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
	    "%s redis at \"%s\": %s", what, conn->name, reason_of(conn, ac));
	connection_step(conn, CONNECTION_EVENT_FAILED, &err);
}

static void
on_connect(const redisAsyncContext *ac, int status)
{
	if (status == REDIS_OK)
		connection_step(ac->data, CONNECTION_EVENT_CONNECTED, NULL);
	else
		forget_context(ac->data, ac, "could not connect to");
}

static void
on_disconnect(const redisAsyncContext *ac, int status UNUSED)
{
	forget_context(ac->data, ac, "lost the connection to");
}

void
connection_close_context(struct redis_connection *conn)
{
	redisAsyncContext *ac = steal(&conn->ac);

	redis_locate_cancel(conn->locate);
	if (ac != NULL)
		redisAsyncFree(ac);
}

static int
open_context(struct redis_connection *conn, const struct redis_place *place,
    struct pgripple_error *err)
{
	redisAsyncContext *ac =
	    place->is_unix ? redisAsyncConnectUnix(place->address)
			   : redisAsyncConnect(place->address, place->port);

	if (ac == NULL)
		return pgripple_error_nomem(err);
	conn->ac = ac;
	ac->data = conn;
	if (ac->c.err != 0)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "could not connect to redis at \"%s\": %s", conn->name,
		    ac->c.errstr);
	redis_socket_tune(ac->c.fd, conn->options.command_timeout_ms);
	if (conn->url.is_tls && redis_tls_start(&conn->url, &ac->c, err) < 0)
		return -1;
	redis_guard_attach(&conn->guard, (size_t)conn->options.reply_bytes, ac);
	if (redis_adapter_attach(ac, conn->base, &conn->guard, err) < 0)
		return -1;
	/* These fail only when a callback is set already. */
	(void)redisAsyncSetDisconnectCallback(ac, on_disconnect);
	(void)redisAsyncSetConnectCallback(ac, on_connect);
	return 0;
}

/* Where to. */

static void
on_place(void *context, const struct redis_place *place,
    const struct pgripple_error *err)
{
	struct redis_connection *conn = context;
	struct pgripple_error why;

	if (place == NULL) {
		connection_step(conn, CONNECTION_EVENT_FAILED, err);
		return;
	}
	redis_place_print(place, conn->address, sizeof(conn->address));
	if (open_context(conn, place, &why) < 0)
		connection_step(conn, CONNECTION_EVENT_FAILED, &why);
}

static void
on_moved(void *context, const struct pgripple_error *why)
{
	connection_step(context, CONNECTION_EVENT_FAILED, why);
}

/* All sentinels may be silent but one, and a master must be left its time. */
static int64_t
sentinel_timeout_ms(const struct redis_connection *conn)
{
	return conn->options.connect_timeout_ms /
	       (2 * (int64_t)conn->url.n_sentinels + 1);
}

int
connection_make_locate(
    struct redis_connection *conn, struct pgripple_error *err)
{
	const struct redis_locate_options options = {
	    .url = &conn->url,
	    .target = conn->target,
	    .timeout_ms = sentinel_timeout_ms(conn),
	    .interval_ms = conn->options.sentinel_interval_ms,
	};
	const struct redis_locate_listener listener = {
	    conn, on_place, on_moved};

	return redis_locate_new(
	    conn->base, &options, &listener, &conn->locate, err);
}

void
connection_do_connect(struct redis_connection *conn)
{
	connection_arm(conn, conn->options.connect_timeout_ms);
	redis_locate_next(conn->locate);
}

/* What was reached. */

static void
on_verify_reply(void *context, const struct redis_reply *reply)
{
	struct redis_connection *conn = context;
	struct pgripple_error err;
	int outcome;

	if (reply == NULL)
		return;
	outcome = redis_verify_reply(&conn->verify, reply, &err);
	if (outcome < 0)
		connection_step(conn, CONNECTION_EVENT_FAILED, &err);
	else if (outcome == REDIS_VERIFY_DONE)
		connection_step(conn, CONNECTION_EVENT_VERIFIED, NULL);
}

void
connection_do_verify(struct redis_connection *conn)
{
	struct redis_verify_command command;
	struct pgripple_error err;

	connection_arm_until(
	    conn, conn->due_us); /* the attempt's time goes on */
	redis_verify_init(&conn->verify, &conn->url);
	while (redis_verify_next(&conn->verify, &command)) {
		if (connection_submit(conn, command.argc, command.argv, NULL,
			on_verify_reply, conn, &err) < 0) {
			connection_step(conn, CONNECTION_EVENT_FAILED, &err);
			return;
		}
	}
}

void
connection_do_announce(struct redis_connection *conn)
{
	conn->server = conn->verify.server;
	conn->announced = true;
	conn->complained_us = 0;
	redis_locate_settle(conn->locate);
	backoff_succeed(&conn->backoff);
	connection_arm_until(conn, connection_watch_due(conn));
	log_event(LOG_LEVEL_INFO, "redis.up",
	    log_string("target", conn->target), log_string("redis", conn->name),
	    log_string("address", conn->address),
	    log_string("version", conn->server.version),
	    log_string("run_id", conn->server.run_id));
	conn->listener.on_up(conn->listener.context);
}

/* Failure. */

void
connection_do_expire(struct redis_connection *conn)
{
	(void)pgripple_error_set(&conn->why, PGRIPPLE_ERROR_PEER,
	    "could not connect to redis at \"%s\": not up within %lld ms",
	    conn->name, (long long)conn->options.connect_timeout_ms);
	event_active(conn->release, EV_TIMEOUT, 0);
}

/* At once when it is news, then once a minute. */
static void
complain(struct redis_connection *conn, int64_t delay_ms)
{
	int64_t now_us = clock_monotonic_us();
	enum log_level level = LOG_LEVEL_WARNING;
	char next[64];

	if (conn->complained_us != 0 &&
	    now_us - conn->complained_us < COMPLAIN_EVERY_US &&
	    strcmp(conn->complaint, conn->why.text) == 0)
		level = LOG_LEVEL_DEBUG;
	else
		conn->complained_us = now_us;
	memcpy(conn->complaint, conn->why.text, sizeof(conn->complaint));
	(void)snprintf(
	    next, sizeof(next), "trying again in %lld ms", (long long)delay_ms);
	log_event(level, "redis.down", log_string("target", conn->target),
	    log_string("error", conn->why.text),
	    log_string(
		"hint", conn->why.hint[0] != '\0' ? conn->why.hint : NULL),
	    log_string("next", next));
}

void
connection_do_wait(struct redis_connection *conn)
{
	int64_t delay_ms = 0;

	if (!redis_locate_has_more(conn->locate)) {
		delay_ms = backoff_fail(&conn->backoff);
		complain(conn, delay_ms);
	}
	connection_arm(conn, delay_ms);
}
