/*
 * A session: one connection to Postgres that is kept up for ever.
 *
 * What happens on which event is said by session_states.c; this file carries
 * the actions out.  The sources of events are the link (link.c), one timer,
 * which is the deadline or the pause of the present state, the caller, and an
 * event that the session sends itself when something is to be told that must
 * not be told from inside a caller's call.
 *
 * A callback may stop or free the session.  So whoever has called one looks
 * whether the state was entered anew ("serial") before going on, and the last
 * handler to leave does the freeing.
 */
#include "postgres/session.h"

#include <event2/event.h>
#include <inttypes.h>
#include <string.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "observe/log.h"
#include "postgres/link.h"
#include "postgres/pins.h"
#include "postgres/session_states.h"

#define FIRST_RETRY_MS 100
#define STABLE_MS 10000 /* up for so long: the pauses start over */
#define MIN_BEAT_TIMEOUT_MS 1000
/* Of the time to connect, one part of so many may be spent on waiting for name
 * servers while another host has an address. */
#define RESOLVE_SHARE 4
/* The server's own timeout comes first, and says more. */
#define ANSWER_GRACE_MS 5000
#define REPEAT_WARNING_US INT64_C(60000000)

/* The one statement of the caller. */
struct statement {
	bool is_there;
	session_answer_cb answer;
	void *context;
	/* While it has to wait for a heartbeat, copies of its texts. */
	char *sql;
	int n_values; /* -1 for a script */
	char **values;
};

struct session {
	struct event_base *base;
	char *name;
	struct session_options options;
	struct session_listener listener;
	struct conninfo *conninfo;
	struct link *link;
	struct event *timer;
	struct event *self; /* sent to itself */
	enum session_state state;
	uint64_t serial; /* how often a state was entered */
	uint64_t number; /* how often it came up */
	int64_t due_us; /* of the timer; 0: it does not run */
	int64_t sent_us; /* the statement under way */
	struct backoff backoff;
	struct statement statement;
	char *heartbeat; /* the caller's */
	PGresult *result; /* the answer that is being told */
	struct pgripple_error why; /* of the latest loss */
	bool was_silent; /* that is why */
	bool is_lost; /* to be told from the loop */
	bool is_abandoned; /* the statement, to be told from the loop */
	struct pgripple_error told; /* the latest warning */
	int64_t told_us;
	unsigned int n_inside; /* handlers that are running */
	bool is_freed;
};

static void session_step(struct session *session, enum session_event event);
static void on_timer(evutil_socket_t fd, short what, void *arg);
static void on_self(evutil_socket_t fd, short what, void *arg);
static void on_link(void *context, struct link_report *report);

const char *
session_outcome_name(enum session_outcome outcome)
{
	switch (outcome) {
	case SESSION_DONE:
		return "done";
	case SESSION_FAILED:
		return "failed";
	case SESSION_LOST:
		return "lost";
	}
	return NULL;
}

/* ---- making and freeing ---- */

static int
build(struct session *session, const struct session_options *options,
    struct pgripple_error *err)
{
	session->name = strdup(options->name);
	session->timer = evtimer_new(session->base, on_timer, session);
	session->self = event_new(session->base, -1, 0, on_self, session);
	if (session->name == NULL || session->timer == NULL ||
	    session->self == NULL)
		return pgripple_error_nomem(err);
	session->options = *options;
	session->options.name = session->name;
	session->options.conninfo = NULL;
	if (conninfo_new(
		options->conninfo, options->name, &session->conninfo, err) != 0)
		return -1;
	return link_new(session->base, session->conninfo, on_link, session,
	    &session->link, err);
}

static void
release(struct session *session)
{
	link_free(session->link);
	conninfo_free(session->conninfo);
	if (session->timer != NULL)
		event_free(session->timer);
	if (session->self != NULL)
		event_free(session->self);
	free(session->heartbeat);
	free(session->name);
	free(session);
}

int
session_new(struct event_base *base, const struct session_options *options,
    const struct session_listener *listener, struct session **ret_session,
    struct pgripple_error *err)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return pgripple_error_nomem(err);
	session->base = base;
	session->listener = *listener;
	backoff_init(&session->backoff, FIRST_RETRY_MS, options->retry_max_ms,
	    STABLE_MS);
	if (build(session, options, err) != 0) {
		release(session);
		return -1;
	}
	*ret_session = session;
	return 0;
}

static void
enter_handler(struct session *session)
{
	session->n_inside++;
}

static void
leave_handler(struct session *session)
{
	if (--session->n_inside == 0 && session->is_freed)
		release(session);
}

/* ---- the state and its timer ---- */

static void
set_timer(struct session *session, int64_t after_ms)
{
	struct timeval after = {
	    .tv_sec = after_ms / 1000,
	    .tv_usec = after_ms % 1000 * 1000,
	};

	session->due_us = clock_monotonic_us() + after_ms * 1000;
	/* Cannot fail once there is memory for it; and a session whose timer
	 * does not run would hang for ever. */
	if (event_add(session->timer, &after) != 0)
		abort();
}

/* Idle: the next heartbeat. */
static void
await_heartbeat(struct session *session)
{
	if (session->options.heartbeat_ms > 0)
		set_timer(session, session->options.heartbeat_ms);
}

static void
session_enter(
    struct session *session, enum session_state state, const char *reason)
{
	if (state == session->state)
		return;
	log_event(LOG_LEVEL_DEBUG, "postgres.state",
	    log_string("session", session->name),
	    log_string("from", session_state_name(session->state)),
	    log_string("to", session_state_name(state)),
	    log_string("reason", reason));
	session->state = state;
	session->serial++;
	/* An attempt has one deadline, from its start until it is up. */
	if (state == SESSION_PREPARING)
		return;
	session->due_us = 0;
	(void)event_del(session->timer); /* fails only if not added */
}

/* Tells the loop to call on_self(). */
static void
send_to_self(struct session *session)
{
	event_active(session->self, EV_TIMEOUT, 1);
}

static void
lose_from_loop(struct session *session)
{
	session->is_lost = true;
	send_to_self(session);
}

/* ---- the caller's statement ---- */

static void
drop_copies(struct statement *statement)
{
	free(statement->sql);
	for (int i = 0; i < statement->n_values && statement->values; i++)
		free(statement->values[i]);
	free(statement->values);
	statement->sql = NULL;
	statement->values = NULL;
}

static int
copy_texts(struct statement *statement, const char *sql, int n_values,
    const char *const *values)
{
	size_t n = n_values > 0 ? (size_t)n_values : 0;

	statement->n_values = n_values;
	statement->sql = strdup(sql);
	statement->values = calloc(n + 1, sizeof(char *));
	if (statement->sql == NULL || statement->values == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (values[i] == NULL)
			continue;
		statement->values[i] = strdup(values[i]);
		if (statement->values[i] == NULL)
			return -1;
	}
	return 0;
}

/* Completes it: the one place where a caller is answered. */
static void
tell_answer(struct session *session, const struct session_answer *answer)
{
	struct statement statement = session->statement;

	memset(&session->statement, 0, sizeof(session->statement));
	session->is_abandoned = false;
	drop_copies(&statement);
	statement.answer(statement.context, answer);
}

static void
tell_lost(struct session *session, const struct pgripple_error *why)
{
	struct pgripple_error err = *why;

	if (session->statement.is_there)
		tell_answer(session, &(struct session_answer){
					 .outcome = SESSION_LOST, .err = &err});
}

static bool
has_failed(const PGresult *result)
{
	switch (PQresultStatus(result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
		return false;
	default:
		return true;
	}
}

static void
do_answer(struct session *session)
{
	PGresult *result = steal(&session->result);
	struct session_answer answer = {.outcome = SESSION_DONE};
	struct pgripple_error err;

	answer.rows.result = result;
	if (has_failed(result)) {
		answer.outcome = SESSION_FAILED;
		answer.rows.result = NULL;
		answer.err = &err;
		conninfo_result_error(
		    session->conninfo, result, answer.sqlstate, &err);
	}
	await_heartbeat(session);
	tell_answer(session, &answer);
	PQclear(result);
}

/* Sends what is to be sent and sets its deadline. */
static int
send_statement(struct session *session, const char *sql, int n_values,
    const char *const *values, struct pgripple_error *err)
{
	if (link_send(session->link, sql, n_values, values, err) != 0) {
		if (err != &session->why)
			session->why = *err;
		lose_from_loop(session);
		return -1;
	}
	session->sent_us = clock_monotonic_us();
	if (session->options.statement_timeout_ms > 0)
		set_timer(session,
		    session->options.statement_timeout_ms + ANSWER_GRACE_MS);
	return 0;
}

static int
submit(struct session *session, const char *sql, int n_values,
    const char *const *values, session_answer_cb answer, void *context,
    struct pgripple_error *err)
{
	struct session_transition transition =
	    session_transition(session->state, SESSION_ON_SUBMIT);
	struct statement *statement = &session->statement;

	/* is_there: held behind a heartbeat, or to be told that it is lost. */
	if (transition.action == SESSION_REFUSE || statement->is_there ||
	    session->is_lost || session->is_freed)
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "the postgres session \"%s\" is %s", session->name,
		    session_is_up(session) ? "busy" : "down");
	if (transition.action == SESSION_HOLD) {
		if (copy_texts(statement, sql, n_values, values) != 0) {
			drop_copies(statement);
			return pgripple_error_nomem(err);
		}
	} else {
		session_enter(session, transition.next, "a statement");
		if (send_statement(session, sql, n_values, values, err) != 0)
			return -1;
	}
	statement->is_there = true;
	statement->answer = answer;
	statement->context = context;
	return 0;
}

int
session_query(struct session *session, const char *sql, int n_values,
    const char *const *values, session_answer_cb answer, void *context,
    struct pgripple_error *err)
{
	struct pgripple_error local;

	return submit(session, sql, n_values, values, answer, context,
	    err == NULL ? &local : err);
}

int
session_script(struct session *session, const char *sql,
    session_answer_cb answer, void *context, struct pgripple_error *err)
{
	return session_query(session, sql, -1, NULL, answer, context, err);
}

/* ---- actions ---- */

static void
do_connect(struct session *session)
{
	set_timer(session, session->options.connect_timeout_ms);
	if (link_connect(session->link,
		session->options.connect_timeout_ms / RESOLVE_SHARE,
		&session->why) != 0)
		session_step(session, SESSION_ON_LOST);
}

static void
do_prepare(struct session *session)
{
	struct buf sql = BUF_INIT;
	int failed;

	if (link_check_version(session->link, &session->why) != 0) {
		session_step(session, SESSION_ON_LOST);
		return;
	}
	/* Only the session that deletes may be relaxed; the other writes
	 * nothing, so it makes no difference there. */
	pins_print(&sql, link_server_version(session->link),
	    session->options.statement_timeout_ms, true);
	failed = sql.failed ? pgripple_error_nomem(&session->why)
			    : link_send(session->link, sql.bytes, -1, NULL,
				  &session->why);
	buf_done(&sql);
	if (failed)
		session_step(session, SESSION_ON_LOST);
}

static void
do_go_up(struct session *session)
{
	backoff_succeed(&session->backoff);
	session->number++;
	session->told_us = 0;
	await_heartbeat(session);
	log_event(LOG_LEVEL_INFO, "postgres.up",
	    log_string("session", session->name),
	    log_string("server", conninfo_describe(session->conninfo)),
	    log_int("server_version", link_server_version(session->link)));
	if (session->listener.on_up != NULL)
		session->listener.on_up(session->listener.context);
}

static void
do_beat(struct session *session)
{
	int64_t timeout_ms = session->options.heartbeat_ms;
	const char *sql =
	    session->heartbeat != NULL ? session->heartbeat : "SELECT true";

	if (timeout_ms < MIN_BEAT_TIMEOUT_MS)
		timeout_ms = MIN_BEAT_TIMEOUT_MS;
	set_timer(session, timeout_ms);
	if (link_send(session->link, sql, 0, NULL, &session->why) != 0)
		session_step(session, SESSION_ON_LOST);
}

/* Whether the result says "true" in its only row. */
static bool
says_true(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK &&
	       PQntuples(result) == 1 && PQnfields(result) == 1 &&
	       PQgetvalue(result, 0, 0)[0] == 't';
}

/* The heartbeat was answered: sends what was held back meanwhile. */
static void
do_resume(struct session *session)
{
	struct statement *statement = &session->statement;
	PGresult *result = steal(&session->result);
	bool is_alive = says_true(result);

	if (!is_alive && has_failed(result))
		conninfo_result_error(
		    session->conninfo, result, NULL, &session->why);
	else if (!is_alive)
		pgripple_error_set(&session->why, PGRIPPLE_ERROR_PEER,
		    "the heartbeat shows that the session is not what it was");
	PQclear(result);
	if (!is_alive) {
		session_step(session, SESSION_ON_LOST);
		return;
	}
	await_heartbeat(session);
	if (!statement->is_there)
		return;
	session_enter(session, SESSION_BUSY, "a statement that was held");
	/* When it cannot be sent, the loss tells it so. */
	(void)send_statement(session, statement->sql, statement->n_values,
	    (const char *const *)statement->values, &session->why);
	drop_copies(statement);
}

static void
close_link(struct session *session)
{
	link_close(session->link);
	PQclear(session->result);
	session->result = NULL;
	session->is_lost = false;
	free(session->heartbeat);
	session->heartbeat = NULL;
}

/* The same reason is told once a minute. */
static void
warn(struct session *session, int64_t pause_ms)
{
	int64_t now_us = clock_monotonic_us();
	char next[64];

	if (session->told_us != 0 &&
	    now_us - session->told_us < REPEAT_WARNING_US &&
	    strcmp(session->told.text, session->why.text) == 0)
		return;
	session->told = session->why;
	session->told_us = now_us;
	snprintf(
	    next, sizeof(next), "trying again in %" PRId64 " ms", pause_ms);
	log_event(LOG_LEVEL_WARNING, "postgres.down",
	    log_string("session", session->name),
	    log_string("server", conninfo_describe(session->conninfo)),
	    log_string("error", session->why.text),
	    log_string("hint",
		session->why.hint[0] == '\0' ? NULL : session->why.hint),
	    log_string("next", next));
}

static void
do_retry(struct session *session)
{
	int64_t pause_ms = backoff_fail(&session->backoff);

	close_link(session);
	conninfo_rotate(session->conninfo);
	warn(session, pause_ms);
	set_timer(session, pause_ms);
}

static void
do_go_down(struct session *session)
{
	struct pgripple_error why = session->why;
	uint64_t serial = session->serial;

	do_retry(session);
	tell_lost(session, &why);
	if (session->serial == serial && session->listener.on_down != NULL)
		session->listener.on_down(session->listener.context, &why);
}

static void
do_close(struct session *session)
{
	close_link(session);
	if (!session->statement.is_there)
		return;
	pgripple_error_set(&session->why, PGRIPPLE_ERROR_PEER,
	    "the postgres session \"%s\" was stopped", session->name);
	session->is_abandoned = true;
	send_to_self(session);
}

static void
session_act(struct session *session, enum session_action action)
{
	switch (action) {
	case SESSION_NOTHING:
	case SESSION_REFUSE:
		break;
	case SESSION_BEGIN:
		set_timer(session, 0);
		break;
	case SESSION_CONNECT:
		do_connect(session);
		break;
	case SESSION_PREPARE:
		do_prepare(session);
		break;
	case SESSION_GO_UP:
		do_go_up(session);
		break;
	case SESSION_ANSWER:
		do_answer(session);
		break;
	case SESSION_BEAT:
		do_beat(session);
		break;
	case SESSION_RESUME:
		do_resume(session);
		break;
	case SESSION_RETRY:
		do_retry(session);
		break;
	case SESSION_GO_DOWN:
		do_go_down(session);
		break;
	case SESSION_CLOSE:
		do_close(session);
		break;
	case SESSION_SEND: /* submit() does these, which has the texts */
	case SESSION_HOLD:
	case SESSION_BUG:
		abort();
	}
}

static void
session_step(struct session *session, enum session_event event)
{
	struct session_transition transition =
	    session_transition(session->state, event);

	session_enter(session, transition.next, session_event_name(event));
	session_act(session, transition.action);
}

/* ---- handlers ---- */

/* The answer to our settings: the session is up, or the wrong one. */
static void
judge_preparation(struct session *session)
{
	PGresult *result = steal(&session->result);
	bool is_standby = false;
	bool failed = has_failed(result);

	if (failed)
		conninfo_result_error(
		    session->conninfo, result, NULL, &session->why);
	else
		is_standby = says_true(result);
	PQclear(result);
	if (is_standby)
		pgripple_error_set(&session->why, PGRIPPLE_ERROR_PEER,
		    "the server is a standby, which cannot be written to");
	session_step(session,
	    failed || is_standby ? SESSION_ON_LOST : SESSION_ON_PREPARED);
}

static void
take_report(struct session *session, struct link_report *report)
{
	bool was_up = session_is_up(session);

	if (report->lost) {
		session->was_silent = false;
		session->why = report->err;
		session_step(session, SESSION_ON_LOST);
		return;
	}
	if (report->connected)
		session_step(session, SESSION_ON_CONNECTED);
	if (report->answered) {
		session->result = report->result;
		if (session->state == SESSION_PREPARING)
			judge_preparation(session);
		else
			session_step(session, SESSION_ON_ANSWER);
	}
	/* Whoever was told the answer may have stopped or freed it. */
	if (report->notified && was_up && session_is_up(session) &&
	    session->listener.on_notify != NULL)
		session->listener.on_notify(session->listener.context);
}

static void
on_link(void *context, struct link_report *report)
{
	struct session *session = context;

	enter_handler(session);
	take_report(session, report);
	leave_handler(session);
}

/* Something may have arrived that only waits to be read, because this process
 * was busy or stopped: it is read before anybody is declared dead. */
static bool
has_arrived(struct session *session)
{
	struct link_report report;
	uint64_t serial = session->serial;

	if (session->state != SESSION_PREPARING &&
	    session->state != SESSION_BUSY && session->state != SESSION_BEATING)
		return false;
	link_read(session->link, &report);
	take_report(session, &report);
	return session->serial != serial;
}

static void
say_what_is_late(struct session *session)
{
	const char *what;

	switch (session->state) {
	case SESSION_CONNECTING:
	case SESSION_PREPARING:
		what = "the attempt to connect took too long";
		break;
	case SESSION_BUSY:
		what = "a statement was not answered in time";
		break;
	case SESSION_BEATING:
		what = "a heartbeat was not answered in time";
		break;
	case SESSION_STOPPED:
	case SESSION_IDLE:
	case SESSION_WAITING:
	default:
		return;
	}
	pgripple_error_set(&session->why, PGRIPPLE_ERROR_PEER, "%s", what);
}

/* Timers go by a cached clock and may be early: deadlines are judged by the
 * real one. */
static void
take_timer(struct session *session)
{
	int64_t left_us = session->due_us - clock_monotonic_us();

	if (session->due_us == 0)
		return;
	if (left_us > 0) {
		int64_t due_us = session->due_us;

		set_timer(session, left_us / 1000 + 1);
		session->due_us = due_us;
		return;
	}
	if (has_arrived(session))
		return;
	say_what_is_late(session);
	session->was_silent = session_is_up(session);
	session_step(session, SESSION_ON_TIMER);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct session *session = arg;

	enter_handler(session);
	take_timer(session);
	leave_handler(session);
}

static void
on_self(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct session *session = arg;

	enter_handler(session);
	if (session->is_abandoned)
		tell_lost(session, &session->why);
	if (session->is_lost) {
		session->is_lost = false;
		session_step(session, SESSION_ON_LOST);
	}
	leave_handler(session);
}

/* ---- the rest of the public calls ---- */

void
session_free(struct session *session)
{
	if (session == NULL || session->is_freed)
		return;
	enter_handler(session);
	session_step(session, SESSION_ON_STOP);
	session->is_freed = true;
	tell_lost(session, &session->why);
	leave_handler(session);
}

void
session_start(struct session *session)
{
	session_step(session, SESSION_ON_START);
}

void
session_stop(struct session *session)
{
	session_step(session, SESSION_ON_STOP);
}

bool
session_is_up(const struct session *session)
{
	return session->state == SESSION_IDLE ||
	       session->state == SESSION_BUSY ||
	       session->state == SESSION_BEATING;
}

bool
session_is_busy(const struct session *session)
{
	return session->statement.is_there;
}

const char *
session_describe(const struct session *session)
{
	return conninfo_describe(session->conninfo);
}

uint64_t
session_number(const struct session *session)
{
	return session->number;
}

int
session_server_version(const struct session *session)
{
	return session_is_up(session) ? link_server_version(session->link) : 0;
}

int
session_set_heartbeat(
    struct session *session, const char *sql, struct pgripple_error *err)
{
	char *copy = NULL;

	if (sql != NULL && (copy = strdup(sql)) == NULL)
		return pgripple_error_nomem(err);
	free(session->heartbeat);
	session->heartbeat = copy;
	return 0;
}

void
session_hurry(struct session *session)
{
	int64_t heartbeat_ms = session->options.heartbeat_ms;
	int64_t waited_ms = (clock_monotonic_us() - session->sent_us) / 1000;

	if (session->state == SESSION_BUSY && heartbeat_ms > 0)
		set_timer(session,
		    waited_ms < heartbeat_ms ? heartbeat_ms - waited_ms : 0);
}

bool
session_was_silent(const struct session *session)
{
	return session->was_silent;
}

void
session_give_up(struct session *session, const struct pgripple_error *err)
{
	session->why = *err;
	lose_from_loop(session);
}
