/*
 * The listen session.
 *
 *	up -> ask for the channel's name -> LISTEN -> ready
 *
 * The channel is named after the schema's oid, so it is asked for anew with
 * every connection, and every heartbeat proves that it is still the right one
 * and that this very session listens: a pooler in between, or a schema that
 * was dropped and made again, would leave us deaf.
 */
#include "postgres/listen.h"

#include <event2/event.h>
#include <string.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "observe/log.h"
#include "postgres/quote.h"

#define FIRST_RETRY_MS 500
#define STABLE_MS 10000

struct listen {
	struct session *session;
	struct listen_listener listener;
	char *schema;
	struct event *retry;
	struct backoff backoff;
	bool is_ready;
	struct pgripple_error told; /* the latest warning */
};

static void on_channel(void *context, const struct session_answer *answer);
static void on_listening(void *context, const struct session_answer *answer);

/* The server refused what we need: perhaps it will not later. */
static void
try_later(struct listen *listen, const struct pgripple_error *err)
{
	int64_t pause_ms = backoff_fail(&listen->backoff);
	struct timeval after = {
	    .tv_sec = pause_ms / 1000,
	    .tv_usec = pause_ms % 1000 * 1000,
	};

	if (strcmp(listen->told.text, err->text) != 0)
		log_error_of(LOG_LEVEL_WARNING, "postgres.listen", "next",
		    "trying again until it can be done", err);
	listen->told = *err;
	if (event_add(listen->retry, &after) != 0)
		abort();
}

static void
explain(struct listen *listen, const struct session_answer *answer,
    struct pgripple_error *ret_err)
{
	*ret_err = *answer->err;
	/* No such schema, no such function. */
	if (strcmp(answer->sqlstate, "3F000") != 0 &&
	    strcmp(answer->sqlstate, "42883") != 0)
		return;
	pgripple_error_set(ret_err, PGRIPPLE_ERROR_PEER,
	    "the schema \"%s\" is not installed in this database",
	    listen->schema);
	pgripple_error_hint(ret_err, "Run \"pgripple install\".");
}

/* True if the answer may be used. */
static bool
is_good(struct listen *listen, const struct session_answer *answer)
{
	struct pgripple_error err;

	switch (answer->outcome) {
	case SESSION_DONE:
		return true;
	case SESSION_FAILED:
		explain(listen, answer, &err);
		try_later(listen, &err);
		return false;
	case SESSION_LOST: /* the session starts over, and so do we */
	default:
		return false;
	}
}

/* Runs what was printed into sql, which is released. */
static void
run(struct listen *listen, struct buf *sql, session_answer_cb answer)
{
	struct pgripple_error err;
	int failed = sql->failed ? pgripple_error_nomem(&err)
				 : session_query(listen->session, sql->bytes, 0,
				       NULL, answer, listen, &err);

	buf_done(sql);
	/* A connection that broke comes back by itself. */
	if (failed && session_is_up(listen->session))
		try_later(listen, &err);
}

static void
ask_for_channel(struct listen *listen)
{
	struct buf sql = BUF_INIT;

	buf_add_string(&sql, "SELECT ");
	quote_identifier(&sql, listen->schema);
	buf_add_string(&sql, ".channel()");
	run(listen, &sql, on_channel);
}

static void
on_channel(void *context, const struct session_answer *answer)
{
	struct listen *listen = context;
	struct buf sql = BUF_INIT;

	if (!is_good(listen, answer))
		return;
	buf_add_string(&sql, "LISTEN ");
	quote_identifier(&sql, rows_text(&answer->rows, 0, 0));
	run(listen, &sql, on_listening);
}

static int
set_heartbeat(struct listen *listen, struct pgripple_error *err)
{
	struct buf sql = BUF_INIT;
	int failed;

	buf_add_string(&sql, "SELECT EXISTS (SELECT FROM "
			     "pg_listening_channels() AS c WHERE c = ");
	quote_identifier(&sql, listen->schema);
	buf_add_string(&sql, ".channel())");
	failed = sql.failed
		     ? pgripple_error_nomem(err)
		     : session_set_heartbeat(listen->session, sql.bytes, err);
	buf_done(&sql);
	return failed;
}

static void
on_listening(void *context, const struct session_answer *answer)
{
	struct listen *listen = context;
	struct pgripple_error err;

	if (!is_good(listen, answer))
		return;
	if (set_heartbeat(listen, &err) != 0) {
		try_later(listen, &err);
		return;
	}
	listen->is_ready = true;
	listen->told.text[0] = '\0';
	backoff_succeed(&listen->backoff);
	listen->listener.on_ready(listen->listener.context);
}

static void
on_retry(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct listen *listen = arg;

	if (session_is_up(listen->session) && !session_is_busy(listen->session))
		ask_for_channel(listen);
}

static void
on_up(void *context)
{
	struct listen *listen = context;

	ask_for_channel(listen);
}

static void
on_down(void *context, const struct pgripple_error *err)
{
	struct listen *listen = context;
	bool was_ready = listen->is_ready;

	listen->is_ready = false;
	(void)event_del(listen->retry); /* fails only if not added */
	if (was_ready)
		listen->listener.on_down(listen->listener.context, err);
}

static void
on_notify(void *context)
{
	struct listen *listen = context;

	/* Before on_ready it announces nothing that is not read anyway. */
	if (listen->is_ready)
		listen->listener.on_ring(listen->listener.context);
}

int
listen_new(struct event_base *base, const struct session_options *options,
    const char *schema, const struct listen_listener *listener,
    struct listen **ret_listen, struct pgripple_error *err)
{
	struct listen *listen = calloc(1, sizeof(*listen));
	struct session_listener mine = {listen, on_up, on_down, on_notify};

	if (listen == NULL)
		return pgripple_error_nomem(err);
	listen->listener = *listener;
	backoff_init(
	    &listen->backoff, FIRST_RETRY_MS, options->retry_max_ms, STABLE_MS);
	listen->schema = strdup(schema);
	listen->retry = evtimer_new(base, on_retry, listen);
	if (listen->schema == NULL || listen->retry == NULL) {
		listen_free(listen);
		return pgripple_error_nomem(err);
	}
	if (session_new(base, options, &mine, &listen->session, err) != 0) {
		listen_free(listen);
		return -1;
	}
	*ret_listen = listen;
	return 0;
}

void
listen_free(struct listen *listen)
{
	if (listen == NULL)
		return;
	session_free(listen->session);
	if (listen->retry != NULL)
		event_free(listen->retry);
	free(listen->schema);
	free(listen);
}

void
listen_start(struct listen *listen)
{
	session_start(listen->session);
}

void
listen_stop(struct listen *listen)
{
	listen->is_ready = false;
	(void)event_del(listen->retry); /* fails only if not added */
	session_stop(listen->session);
}

bool
listen_is_ready(const struct listen *listen)
{
	return listen->is_ready;
}
