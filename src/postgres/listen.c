/*
 * The listen session.
 *
 *	up -> ask for the channel's name -> compete for L -> claim the state
 *	   -> LISTEN -> ready
 *
 * The channel is named after the schema's oid, so it is asked for anew with
 * every connection, and every heartbeat proves that it is still the right one
 * and that this very session listens: a pooler in between, or a schema that
 * was dropped and made again, would leave us deaf.
 */
#include "postgres/listen.h"

#include <event2/event.h>
#include <inttypes.h>
#include <string.h>

#include <pgripple/graph.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "observe/log.h"
#include "postgres/quote.h"

#define FIRST_RETRY_MS 500
#define STABLE_MS 10000
#define STANDBY_RETRY_MS 1000

/* The second key of the advisory locks; the first is the schema's. */
#define LOCK_K 1

struct listen {
	struct session *session;
	struct listen_listener listener;
	char *schema;
	struct state_claim claim;
	struct event *retry;
	struct backoff backoff;
	int64_t patience_ms; /* with a holder of L that shows no sign of life */
	char *channel;
	int lock_class;
	bool is_ready;
	bool is_standby;
	bool has_told_of_pooler;
	int watched_pid;
	struct pgripple_error told; /* the latest warning */
};

static void on_channel(void *context, const struct session_answer *answer);
static void on_competed(void *context, const struct session_answer *answer);
static void on_claimed(void *context, const struct session_answer *answer);
static void on_listening(void *context, const struct session_answer *answer);

static void
retry_in_ms(struct listen *listen, int64_t pause_ms)
{
	struct timeval after = {
	    .tv_sec = pause_ms / 1000,
	    .tv_usec = pause_ms % 1000 * 1000,
	};

	if (event_add(listen->retry, &after) != 0)
		abort();
}

/* The server refused what we need: perhaps it will not later. */
static void
try_later(struct listen *listen, const struct pgripple_error *err)
{
	if (strcmp(listen->told.text, err->text) != 0)
		log_error_of(LOG_LEVEL_WARNING, "postgres.listen", "next",
		    "trying again until it can be done", err);
	listen->told = *err;
	retry_in_ms(listen, backoff_fail(&listen->backoff));
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
	buf_add_string(&sql, ".channel(), ");
	quote_identifier(&sql, listen->schema);
	buf_add_string(&sql, ".lock_class(), pg_catalog.pg_backend_pid()");
	run(listen, &sql, on_channel);
}

/* Asks for L, and ends a holder who is dead without the server's knowing: of
 * whom nothing was heard for long, or only before the clock was set back. */
static void
compete(struct listen *listen)
{
	struct buf sql = BUF_INIT;

	buf_printf(&sql,
	    "SELECT pg_try_advisory_lock(%d, %d), "
	    "(SELECT count(pg_terminate_backend(a.pid)) FROM pg_locks AS l "
	    "JOIN pg_stat_activity AS a USING (pid) "
	    "WHERE l.locktype = 'advisory' AND l.granted "
	    "AND l.classid = (%d)::oid AND l.objid = %d AND l.objsubid = 2 "
	    "AND a.datname = current_database() "
	    "AND a.pid <> pg_backend_pid() "
	    "AND abs(extract(epoch FROM clock_timestamp() - "
	    "greatest(a.query_start, a.state_change))) * 1000 > %" PRId64 ")",
	    listen->lock_class, LISTEN_LOCK_L, listen->lock_class,
	    LISTEN_LOCK_L, listen->patience_ms);
	run(listen, &sql, on_competed);
}

/*
 * Heartbeats alone cannot tell.  A pooler in transaction mode that is not busy
 * gives us the same session of the server again and again, and it listens: but
 * what it hears while it is not lent to us is thrown away.
 */
static void
look_for_pooler(struct listen *listen, int64_t server_pid)
{
	struct pgripple_error err;

	if (server_pid == session_server_pid(listen->session) ||
	    listen->has_told_of_pooler)
		return;
	pgripple_error_set(&err, PGRIPPLE_ERROR_CONFIG,
	    "a pooler stands between the daemon and Postgres, and may swallow "
	    "notifications: changes are then found only by looking every "
	    "\"postgres.poll_interval\"");
	pgripple_error_hint(&err,
	    "Connect directly, or let the pooler keep whole sessions apart; "
	    "\"pgripple check\" says whether it does.");
	log_error(LOG_LEVEL_WARNING, "postgres.pooler", &err);
	listen->has_told_of_pooler = true;
}

static void
on_channel(void *context, const struct session_answer *answer)
{
	struct listen *listen = context;
	struct pgripple_error err;
	char *channel;

	if (!is_good(listen, answer))
		return;
	channel = strdup(rows_text(&answer->rows, 0, 0));
	if (channel == NULL) {
		(void)pgripple_error_nomem(&err);
		try_later(listen, &err);
		return;
	}
	free(listen->channel);
	listen->channel = channel;
	listen->lock_class = (int)rows_int(&answer->rows, 0, 1);
	look_for_pooler(listen, rows_int(&answer->rows, 0, 2));
	compete(listen);
}

static void
stand_by(struct listen *listen)
{
	bool was_standby = listen->is_standby;

	listen->is_standby = true;
	retry_in_ms(listen, STANDBY_RETRY_MS);
	if (!was_standby)
		listen->listener.on_standby(listen->listener.context);
}

/* On the very session that holds L: nobody who has lost it can claim. */
static void
claim_state(struct listen *listen)
{
	struct pgripple_error err;

	if (listen->listener.on_claiming != NULL)
		listen->listener.on_claiming(listen->listener.context);
	if (state_claim(listen->session, listen->schema, &listen->claim,
		on_claimed, listen, &err) < 0 &&
	    session_is_up(listen->session))
		try_later(listen, &err);
}

static void
on_competed(void *context, const struct session_answer *answer)
{
	struct listen *listen = context;

	if (!is_good(listen, answer))
		return;
	if (rows_int(&answer->rows, 0, 1) > 0)
		log_event(LOG_LEVEL_WARNING, "postgres.took_over",
		    log_string("error",
			"the active daemon showed no sign of life and was "
			"ended"));
	if (!rows_bool(&answer->rows, 0, 0)) {
		stand_by(listen);
		return;
	}
	listen->is_standby = false;
	claim_state(listen);
}

static void
tell_claimed(struct listen *listen, const struct rows *rows)
{
	struct state_row claimed[PGRIPPLE_MAX_TARGETS];
	size_t n = rows_count(rows);

	if (n > PGRIPPLE_MAX_TARGETS)
		n = PGRIPPLE_MAX_TARGETS;
	for (size_t i = 0; i < n; i++)
		state_read(rows, i, &claimed[i]);
	if (listen->listener.on_claimed != NULL)
		listen->listener.on_claimed(
		    listen->listener.context, claimed, n);
}

static void
on_claimed(void *context, const struct session_answer *answer)
{
	struct listen *listen = context;
	struct buf sql = BUF_INIT;

	if (!is_good(listen, answer))
		return;
	tell_claimed(listen, &answer->rows);
	buf_add_string(&sql, "LISTEN ");
	quote_identifier(&sql, listen->channel);
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
	buf_printf(&sql,
	    ".channel()), (SELECT coalesce(max(CASE WHEN state = 'idle' "
	    "THEN state_change::text ELSE '' END), '" SESSION_GONE "') "
	    "FROM pg_stat_activity WHERE pid = %d "
	    "AND application_name = 'pgripple work')",
	    listen->watched_pid);
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

	if (!session_is_up(listen->session) || session_is_busy(listen->session))
		return;
	if (listen->is_standby)
		compete(listen);
	else
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
	listen->is_standby = false;
	(void)event_del(listen->retry); /* fails only if not added */
	if (session_was_silent(listen->session) &&
	    listen->listener.on_silence != NULL)
		listen->listener.on_silence(listen->listener.context);
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

static void
on_beat(void *context, const struct rows *rows)
{
	struct listen *listen = context;

	if (listen->is_ready && listen->listener.on_seen != NULL)
		listen->listener.on_seen(
		    listen->listener.context, rows_text(rows, 0, 1));
}

int
listen_new(struct event_base *base, const struct session_options *options,
    const char *schema, const struct state_claim *claim,
    const struct listen_listener *listener, struct listen **ret_listen,
    struct pgripple_error *err)
{
	struct listen *listen = calloc(1, sizeof(*listen));
	struct session_listener mine = {
	    listen, on_up, on_down, on_notify, on_beat};

	if (listen == NULL)
		return pgripple_error_nomem(err);
	listen->listener = *listener;
	listen->claim = *claim;
	listen->patience_ms = 3 * options->heartbeat_ms;
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
	free(listen->channel);
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
	listen->is_standby = false;
	(void)event_del(listen->retry); /* fails only if not added */
	session_stop(listen->session);
}

bool
listen_is_ready(const struct listen *listen)
{
	return listen->is_ready;
}

bool
listen_is_standby(const struct listen *listen)
{
	return listen->is_standby;
}

void
listen_give_up(struct listen *listen, const struct pgripple_error *why)
{
	if (session_is_up(listen->session))
		session_give_up(listen->session, why);
}

void
listen_watch(struct listen *listen, int server_pid)
{
	struct pgripple_error err;

	listen->watched_pid = server_pid;
	if (listen->is_ready && set_heartbeat(listen, &err) != 0)
		session_give_up(listen->session, &err);
}

/* A refusal by the server (out of locks, say) leaves K in doubt: the session
 * is given up, and its locks go with it. */
static bool
is_sure(struct listen *listen, const struct session_answer *answer)
{
	if (answer->outcome == SESSION_FAILED)
		session_give_up(listen->session, answer->err);
	return answer->outcome == SESSION_DONE;
}

static void
on_locked(void *context, const struct session_answer *answer)
{
	struct listen *listen = context;

	if (is_sure(listen, answer))
		listen->listener.on_locked(
		    listen->listener.context, rows_bool(&answer->rows, 0, 0));
}

static void
on_unlocked(void *context, const struct session_answer *answer)
{
	struct listen *listen = context;

	if (is_sure(listen, answer))
		listen->listener.on_unlocked(listen->listener.context);
}

static void
run_on_k(struct listen *listen, const char *function, session_answer_cb answer)
{
	struct buf sql = BUF_INIT;
	struct pgripple_error err;
	int failed;

	buf_printf(
	    &sql, "SELECT %s(%d, %d)", function, listen->lock_class, LOCK_K);
	failed = sql.failed ? pgripple_error_nomem(&err)
			    : session_query(listen->session, sql.bytes, 0, NULL,
				  answer, listen, &err);
	buf_done(&sql);
	if (failed)
		session_give_up(listen->session, &err);
}

void
listen_lock(struct listen *listen)
{
	run_on_k(listen, "pg_try_advisory_lock", on_locked);
}

void
listen_unlock(struct listen *listen)
{
	run_on_k(listen, "pg_advisory_unlock", on_unlocked);
}
