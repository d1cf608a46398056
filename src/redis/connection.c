/*
 * The daemon's connection to Redis.
 *
 * Every event of libevent, hiredis or the user goes through connection_step(),
 * which asks the table of connection_states.c; only connection_enter() writes
 * the state.  What is done then: connection_attempt.c, connection_commands.c
 * and connection_watch.c.
 */
#include <string.h>

#include <event2/event.h>

#include "observe/log.h"
#include "redis/connection_private.h"

#define RETRY_FIRST_MS 200
#define STABLE_MS 10000

/* The state. */

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
		connection_do_connect(conn);
		return;
	case CONNECTION_ACTION_VERIFY:
		connection_do_verify(conn);
		return;
	case CONNECTION_ACTION_ANNOUNCE:
		connection_do_announce(conn);
		return;
	case CONNECTION_ACTION_WATCH:
		connection_do_watch(conn);
		return;
	case CONNECTION_ACTION_EXPIRE:
		connection_do_expire(conn);
		return;
	case CONNECTION_ACTION_RELEASE:
		event_active(conn->release, EV_TIMEOUT, 0);
		return;
	case CONNECTION_ACTION_WAIT:
		connection_do_wait(conn);
		return;
	case CONNECTION_ACTION_REPORT:
		do_report(conn);
		return;
	}
}

/* The only place that writes the state. */
void
connection_enter(struct redis_connection *conn, enum connection_state next,
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
void
connection_step(struct redis_connection *conn, enum connection_event event,
    const struct pgripple_error *why)
{
	struct connection_transition to = connection_next(conn->state, event);

	if (to.next != conn->state && why != NULL)
		conn->why = *why;
	connection_enter(conn, to.next, event, why);
	act(conn, to.action);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	connection_take_timer(context);
}

static void
on_release(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct redis_connection *conn = context;
	bool was_up = conn->announced;

	conn->announced = false;
	connection_close_context(conn);
	connection_complete_all(conn);
	if (was_up && conn->state == CONNECTION_DROPPING)
		conn->listener.on_down(conn->listener.context, &conn->why);
	connection_step(conn, CONNECTION_EVENT_RELEASED, NULL);
}

/* Life. */

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
	if (copy_texts(conn, options, err) < 0 ||
	    connection_make_locate(conn, err) < 0) {
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
	connection_enter(conn, CONNECTION_STOPPED, CONNECTION_EVENT_STOP, NULL);
	connection_close_context(conn);
	connection_complete_all(conn);
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
	connection_step(conn, CONNECTION_EVENT_START, NULL);
}

void
redis_connection_stop(
    struct redis_connection *conn, redis_stopped_cb on_stopped, void *context)
{
	if (conn->state != CONNECTION_CLOSING) {
		conn->on_stopped = on_stopped;
		conn->stopped_context = context;
	}
	connection_step(conn, CONNECTION_EVENT_STOP, NULL);
}

void
redis_connection_drop(
    struct redis_connection *conn, const struct pgripple_error *why)
{
	if (redis_connection_is_up(conn))
		connection_step(conn, CONNECTION_EVENT_FAILED, why);
}

/* What others ask. */

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
