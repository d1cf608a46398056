/*
 * The daemon's connection to Redis.
 *
 * Every event of libevent, hiredis or the user goes through step(), which asks
 * the table of connection_states.c; only enter() writes the state.
 *
 * Commands are remembered here, in the order in which they were sent, and not
 * only in hiredis: so the age of the oldest is known, a command completes
 * exactly once whatever hiredis does, and a reply that reaches the wrong
 * callback (hiredis 0.14 drops a callback when malloc() fails) is noticed.
 *
 * A context is freed in one place, the deferred release, never inside one of
 * its callbacks.  When hiredis says that a context failed it frees it itself:
 * then it is only forgotten.
 */
#include "redis/connection.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>
#include <hiredis/async.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "observe/log.h"
#include "redis/adapter.h"
#include "redis/connection_states.h"
#include "redis/guard.h"
#include "redis/locate.h"
#include "redis/socket.h"
#include "redis/tls.h"
#include "redis/url.h"

#define RETRY_FIRST_MS 200
#define STABLE_MS 10000
#define COMPLAIN_EVERY_US (INT64_C(60) * 1000 * 1000)

/* A command under way. */
struct request {
	redis_reply_cb callback;
	void *context;
	int64_t sent_us;
};

struct redis_connection {
	struct event_base *base;
	struct redis_options options;
	struct redis_listener listener;
	struct redis_url url;
	char name[REDIS_URL_TEXT];
	char *target; /* NULL if there is but one */
	char *prefix;

	enum connection_state state;
	struct pgripple_error why; /* the last failure */
	struct event *timer; /* of the state */
	int64_t due_us; /* when it really is */
	struct event *release; /* deferred */

	struct redis_locate *locate;
	char address[REDIS_PLACE_TEXT]; /* where ac leads to */
	redisAsyncContext *ac;
	struct redis_guard guard;
	struct redis_verify verify;
	struct redis_server server;
	struct backoff backoff;
	bool announced;

	struct request requests[REDIS_MAX_PENDING]; /* a ring */
	uint64_t n_sent; /* ever */
	uint64_t n_answered;
	int64_t heard_us; /* when the last reply came */

	int64_t complained_us; /* 0: not since it was up */
	char complaint[sizeof(((struct pgripple_error *)0)->text)];

	redis_stopped_cb on_stopped;
	void *stopped_context;
};

static void step(struct redis_connection *conn, enum connection_event event,
    const struct pgripple_error *why);

/* Timers */

static void
arm_until(struct redis_connection *conn, int64_t due_us)
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

static void
arm(struct redis_connection *conn, int64_t delay_ms)
{
	arm_until(conn, clock_monotonic_us() + delay_ms * 1000);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct redis_connection *conn = context;

	/* libevent counts from when the loop woke up: it may be early. */
	if (clock_monotonic_us() < conn->due_us)
		arm_until(conn, conn->due_us);
	else
		step(conn, CONNECTION_EVENT_TIMER, NULL);
}

/* Commands under way */

static bool
is_live(const struct redis_connection *conn)
{
	return conn->state == CONNECTION_VERIFYING ||
	       conn->state == CONNECTION_UP;
}

static uint64_t
n_pending(const struct redis_connection *conn)
{
	return conn->n_sent - conn->n_answered;
}

static struct request *
request_at(struct redis_connection *conn, uint64_t number)
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
	step(conn, CONNECTION_EVENT_FAILED, &err);
}

static void
fail_demoted(struct redis_connection *conn, const struct redis_reply *reply)
{
	struct pgripple_error err;

	(void)redis_reply_refuse(reply, conn->name, "a command", &err);
	step(conn, CONNECTION_EVENT_FAILED, &err);
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
	request = *request_at(conn, conn->n_answered++);
	conn->heard_us = clock_monotonic_us();
	request.callback(request.context, reply);
	if (reply->kind == REDIS_REPLY_KIND_ERROR &&
	    redis_refusal_of(reply->text) == REDIS_REFUSAL_ROLE)
		fail_demoted(conn, reply);
}

/* hiredis's NULL for a lost connection is not needed: see complete_all(). */
static void
on_reply(redisAsyncContext *ac, void *raw, void *number)
{
	struct redis_reply reply;

	if (raw == NULL)
		return;
	reply = redis_reply_from(raw);
	take_reply(ac->data, (uintptr_t)number, &reply);
}

static int
submit(struct redis_connection *conn, int argc, const char **argv,
    const size_t *lengths, redis_reply_cb callback, void *context,
    struct pgripple_error *err)
{
	if (n_pending(conn) >= REDIS_MAX_PENDING)
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
	*request_at(conn, conn->n_sent++) =
	    (struct request){callback, context, clock_monotonic_us()};
	return 0;
}

static void
complete_all(struct redis_connection *conn)
{
	while (n_pending(conn) > 0) {
		struct request request = *request_at(conn, conn->n_answered++);

		request.callback(request.context, NULL);
	}
}

/* Connecting */

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
		return; /* freed by close_context() */
	conn->ac = NULL;
	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
	    "%s redis at \"%s\": %s", what, conn->name, reason_of(conn, ac));
	step(conn, CONNECTION_EVENT_FAILED, &err);
}

static void
on_connect(const redisAsyncContext *ac, int status)
{
	if (status == REDIS_OK)
		step(ac->data, CONNECTION_EVENT_CONNECTED, NULL);
	else
		forget_context(ac->data, ac, "could not connect to");
}

static void
on_disconnect(const redisAsyncContext *ac, int status UNUSED)
{
	forget_context(ac->data, ac, "lost the connection to");
}

static void
close_context(struct redis_connection *conn)
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

/* Actions */

static void
on_place(void *context, const struct redis_place *place,
    const struct pgripple_error *err)
{
	struct redis_connection *conn = context;
	struct pgripple_error why;

	if (place == NULL) {
		step(conn, CONNECTION_EVENT_FAILED, err);
		return;
	}
	redis_place_print(place, conn->address, sizeof(conn->address));
	if (open_context(conn, place, &why) < 0)
		step(conn, CONNECTION_EVENT_FAILED, &why);
}

static void
on_moved(void *context, const struct pgripple_error *why)
{
	step(context, CONNECTION_EVENT_FAILED, why);
}

static void
do_connect(struct redis_connection *conn)
{
	arm(conn, conn->options.connect_timeout_ms);
	redis_locate_next(conn->locate);
}

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
		step(conn, CONNECTION_EVENT_FAILED, &err);
	else if (outcome == REDIS_VERIFY_DONE)
		step(conn, CONNECTION_EVENT_VERIFIED, NULL);
}

static void
do_verify(struct redis_connection *conn)
{
	struct redis_verify_command command;
	struct pgripple_error err;

	arm_until(conn, conn->due_us); /* the attempt's time goes on */
	redis_verify_init(&conn->verify, &conn->url);
	while (redis_verify_next(&conn->verify, &command)) {
		if (submit(conn, command.argc, command.argv, NULL,
			on_verify_reply, conn, &err) < 0) {
			step(conn, CONNECTION_EVENT_FAILED, &err);
			return;
		}
	}
}

/* When watch must look again. */
static int64_t
watch_due(struct redis_connection *conn)
{
	int64_t timeout_us = conn->options.command_timeout_ms * 1000;
	int64_t since_us = conn->heard_us;

	if (n_pending(conn) == 0)
		return since_us + timeout_us / 2;
	/* A long pipeline that moves is alive: the oldest command's time
	 * begins when the one before it was answered. */
	if (since_us < request_at(conn, conn->n_answered)->sent_us)
		since_us = request_at(conn, conn->n_answered)->sent_us;
	return since_us + timeout_us;
}

static void
do_announce(struct redis_connection *conn)
{
	conn->server = conn->verify.server;
	conn->announced = true;
	conn->complained_us = 0;
	redis_locate_settle(conn->locate);
	backoff_succeed(&conn->backoff);
	arm_until(conn, watch_due(conn));
	log_event(LOG_LEVEL_INFO, "redis.up",
	    log_string("target", conn->target), log_string("redis", conn->name),
	    log_string("address", conn->address),
	    log_string("version", conn->server.version),
	    log_string("run_id", conn->server.run_id));
	conn->listener.on_up(conn->listener.context);
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

	if (submit(conn, 1, argv, NULL, on_heartbeat, NULL, &err) < 0)
		step(conn, CONNECTION_EVENT_FAILED, &err);
}

static void
fail_silent(struct redis_connection *conn)
{
	struct pgripple_error err;

	(void)pgripple_error_set(&err, PGRIPPLE_ERROR_PEER,
	    "redis at \"%s\" owes a reply and was silent for %lld ms",
	    conn->name, (long long)conn->options.command_timeout_ms);
	step(conn, CONNECTION_EVENT_FAILED, &err);
}

static void
do_watch(struct redis_connection *conn)
{
	bool is_owed = n_pending(conn) > 0;

	/* It may be us who slept: what has arrived counts. */
	if (is_owed && clock_monotonic_us() >= watch_due(conn))
		redisAsyncHandleRead(conn->ac);
	if (conn->state != CONNECTION_UP)
		return;
	if (clock_monotonic_us() >= watch_due(conn)) {
		if (n_pending(conn) > 0)
			fail_silent(conn);
		else
			send_heartbeat(conn);
	}
	if (conn->state == CONNECTION_UP)
		arm_until(conn, watch_due(conn));
}

static void
do_expire(struct redis_connection *conn)
{
	(void)pgripple_error_set(&conn->why, PGRIPPLE_ERROR_PEER,
	    "could not connect to redis at \"%s\": not up within %lld ms",
	    conn->name, (long long)conn->options.connect_timeout_ms);
	event_active(conn->release, EV_TIMEOUT, 0);
}

static void
on_release(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct redis_connection *conn = context;
	bool was_up = conn->announced;

	conn->announced = false;
	close_context(conn);
	complete_all(conn);
	if (was_up && conn->state == CONNECTION_DROPPING)
		conn->listener.on_down(conn->listener.context, &conn->why);
	step(conn, CONNECTION_EVENT_RELEASED, NULL);
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

static void
do_wait(struct redis_connection *conn)
{
	int64_t delay_ms = 0;

	if (!redis_locate_has_more(conn->locate)) {
		delay_ms = backoff_fail(&conn->backoff);
		complain(conn, delay_ms);
	}
	arm(conn, delay_ms);
}

static void
do_report(struct redis_connection *conn)
{
	redis_stopped_cb on_stopped = conn->on_stopped;

	conn->on_stopped = NULL;
	if (on_stopped != NULL)
		on_stopped(conn->stopped_context);
}

static void
act(struct redis_connection *conn, enum connection_action action)
{
	switch (action) {
	case CONNECTION_ACTION_NONE:
		return;
	case CONNECTION_ACTION_CONNECT:
		do_connect(conn);
		return;
	case CONNECTION_ACTION_VERIFY:
		do_verify(conn);
		return;
	case CONNECTION_ACTION_ANNOUNCE:
		do_announce(conn);
		return;
	case CONNECTION_ACTION_WATCH:
		do_watch(conn);
		return;
	case CONNECTION_ACTION_EXPIRE:
		do_expire(conn);
		return;
	case CONNECTION_ACTION_RELEASE:
		event_active(conn->release, EV_TIMEOUT, 0);
		return;
	case CONNECTION_ACTION_WAIT:
		do_wait(conn);
		return;
	case CONNECTION_ACTION_REPORT:
		do_report(conn);
		return;
	}
}

/* The only place that writes the state. */
static void
enter(struct redis_connection *conn, enum connection_state next,
    enum connection_event event, const struct pgripple_error *why)
{
	if (next == conn->state)
		return;
	log_event(LOG_LEVEL_DEBUG, "redis.state",
	    log_string("target", conn->target),
	    log_string("from", connection_state_name(conn->state)),
	    log_string("to", connection_state_name(next)),
	    log_string("reason", connection_event_name(event)),
	    log_string("error", why != NULL ? why->text : NULL));
	conn->state = next;
	(void)event_del(conn->timer);
}

/* The action is the last thing done: it may step again, or, for the report of
 * a stop, free the connection. */
static void
step(struct redis_connection *conn, enum connection_event event,
    const struct pgripple_error *why)
{
	struct connection_transition to = connection_next(conn->state, event);

	if (to.next != conn->state && why != NULL)
		conn->why = *why;
	enter(conn, to.next, event, why);
	act(conn, to.action);
}

/* What others call */

static int
copy_texts(struct redis_connection *conn, const struct redis_options *options,
    struct pgripple_error *err)
{
	conn->prefix = strdup(options->prefix != NULL ? options->prefix : "");
	if (options->target != NULL)
		conn->target = strdup(options->target);
	if (conn->prefix == NULL ||
	    (options->target != NULL && conn->target == NULL))
		return pgripple_error_nomem(err);
	return redis_url_parse(options->url, &conn->url, err);
}

/* All sentinels may be silent but one, and a master must be left its time. */
static int64_t
sentinel_timeout_ms(const struct redis_connection *conn)
{
	return conn->options.connect_timeout_ms /
	       (2 * (int64_t)conn->url.n_sentinels + 1);
}

static int
make_locate(struct redis_connection *conn, struct pgripple_error *err)
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

int
redis_connection_new(struct event_base *base,
    const struct redis_options *options, const struct redis_listener *listener,
    struct redis_connection **ret_connection, struct pgripple_error *err)
{
	struct redis_connection *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return pgripple_error_nomem(err);
	conn->base = base;
	conn->options = *options;
	conn->options.url = NULL; /* were only lent */
	conn->options.target = conn->options.prefix = NULL;
	conn->listener = *listener;
	conn->timer = evtimer_new(base, on_timer, conn);
	conn->release = event_new(base, -1, 0, on_release, conn);
	backoff_init(
	    &conn->backoff, RETRY_FIRST_MS, options->retry_max_ms, STABLE_MS);
	if (conn->timer == NULL || conn->release == NULL) {
		redis_connection_free(conn);
		return pgripple_error_nomem(err);
	}
	if (copy_texts(conn, options, err) < 0 || make_locate(conn, err) < 0) {
		redis_connection_free(conn);
		return -1;
	}
	redis_url_print(&conn->url, conn->name, sizeof(conn->name));
	*ret_connection = conn;
	return 0;
}

void
redis_connection_free(struct redis_connection *conn)
{
	if (conn == NULL)
		return;
	/* No command is accepted while the last ones complete. */
	enter(conn, CONNECTION_STOPPED, CONNECTION_EVENT_STOP, NULL);
	close_context(conn);
	complete_all(conn);
	if (conn->timer != NULL)
		event_free(conn->timer);
	if (conn->release != NULL)
		event_free(conn->release);
	redis_locate_free(conn->locate);
	redis_url_done(&conn->url);
	free(conn->target);
	free(conn->prefix);
	free(conn);
}

void
redis_connection_start(struct redis_connection *conn)
{
	step(conn, CONNECTION_EVENT_START, NULL);
}

void
redis_connection_stop(
    struct redis_connection *conn, redis_stopped_cb on_stopped, void *context)
{
	if (conn->state != CONNECTION_CLOSING) {
		conn->on_stopped = on_stopped;
		conn->stopped_context = context;
	}
	step(conn, CONNECTION_EVENT_STOP, NULL);
}

bool
redis_connection_is_up(const struct redis_connection *conn)
{
	return conn->state == CONNECTION_UP;
}

const char *
redis_connection_describe(const struct redis_connection *conn)
{
	return conn->name;
}

const char *
redis_connection_prefix(const struct redis_connection *conn)
{
	return conn->prefix;
}

const struct redis_server *
redis_connection_server(const struct redis_connection *conn)
{
	return &conn->server;
}

int
redis_command(struct redis_connection *conn, int argc, const char **argv,
    const size_t *lengths, redis_reply_cb callback, void *context,
    struct pgripple_error *err)
{
	if (!redis_connection_is_up(conn))
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "redis at \"%s\" is not connected", conn->name);
	return submit(conn, argc, argv, lengths, callback, context, err);
}

void
redis_connection_drop(
    struct redis_connection *conn, const struct pgripple_error *why)
{
	if (redis_connection_is_up(conn))
		step(conn, CONNECTION_EVENT_FAILED, why);
}
