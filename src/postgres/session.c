/*
 * A session: one connection to Postgres that is kept up for ever.
 *
 * What happens on which event is said by session_states.c; this file feeds it
 * and session_attempt.c, session_statement.c and session_watch.c carry the
 * actions out.  The sources of events are the link (link.c), one timer, the
 * caller, and an event that the session sends itself when something is to be
 * told that must not be told from inside a caller's call.
 *
 * A callback may stop or free the session.  So whoever has called one looks
 * whether the state was entered anew ("serial") before going on, and the last
 * handler to leave does the freeing.
 */
#include <event2/event.h>
#include <string.h>

#include "observe/log.h"
#include "postgres/link.h"
#include "postgres/session_private.h"

#define FIRST_RETRY_MS 100
#define STABLE_MS 10000 /* up for so long: the pauses start over */

/* The state. */

void
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

static void
session_act(struct session *session, enum session_action action)
{
	switch (action) {
	case SESSION_NOTHING:
	case SESSION_REFUSE:
		break;
	case SESSION_BEGIN:
		session_set_timer(session, 0);
		break;
	case SESSION_CONNECT:
		session_do_connect(session);
		break;
	case SESSION_PREPARE:
		session_do_prepare(session);
		break;
	case SESSION_GO_UP:
		session_do_go_up(session);
		break;
	case SESSION_ANSWER:
		session_do_answer(session);
		break;
	case SESSION_BEAT:
		session_do_beat(session);
		break;
	case SESSION_RESUME:
		session_do_resume(session);
		break;
	case SESSION_RETRY:
		session_do_retry(session);
		break;
	case SESSION_GO_DOWN:
		session_do_go_down(session);
		break;
	case SESSION_CLOSE:
		session_do_close(session);
		break;
	case SESSION_SEND: /* submit() does these, which has the texts */
	case SESSION_HOLD:
	case SESSION_BUG:
		abort();
	}
}

void
session_step(struct session *session, enum session_event event)
{
	struct session_transition transition =
	    session_transition(session->state, event);

	session_enter(session, transition.next, session_event_name(event));
	session_act(session, transition.action);
}

/* Tells the loop to call on_self(). */
void
session_send_to_self(struct session *session)
{
	event_active(session->self, EV_TIMEOUT, 1);
}

void
session_lose_from_loop(struct session *session)
{
	session->is_lost = true;
	session_send_to_self(session);
}

/* Handlers. */

static void
enter_handler(struct session *session)
{
	session->n_inside++;
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

static void
leave_handler(struct session *session)
{
	if (--session->n_inside == 0 && session->is_freed)
		release(session);
}

bool
session_has_failed(const PGresult *result)
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

/* Whether the result begins with "true", in its only row. */
bool
session_says_true(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK &&
	       PQntuples(result) == 1 && PQnfields(result) > 0 &&
	       PQgetvalue(result, 0, 0)[0] == 't';
}

void
session_take_report(struct session *session, struct link_report *report)
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
			session_judge_preparation(session);
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
	session_take_report(session, report);
	leave_handler(session);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct session *session = arg;

	enter_handler(session);
	session_take_timer(session);
	leave_handler(session);
}

static void
on_self(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct session *session = arg;

	enter_handler(session);
	if (session->is_abandoned)
		session_tell_lost(session, &session->why);
	if (session->is_lost) {
		session->is_lost = false;
		session_step(session, SESSION_ON_LOST);
	}
	leave_handler(session);
}

/* Life. */

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

void
session_free(struct session *session)
{
	if (session == NULL || session->is_freed)
		return;
	enter_handler(session);
	session_step(session, SESSION_ON_STOP);
	session->is_freed = true;
	session_tell_lost(session, &session->why);
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

void
session_give_up(struct session *session, const struct pgripple_error *err)
{
	session->why = *err;
	session_lose_from_loop(session);
}

/* What others ask. */

bool
session_is_up(const struct session *session)
{
	return session->state == SESSION_IDLE ||
	       session->state == SESSION_BUSY ||
	       session->state == SESSION_BEATING;
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
session_server_pid(const struct session *session)
{
	return session_is_up(session) ? link_server_pid(session->link) : 0;
}

bool
session_was_silent(const struct session *session)
{
	return session->was_silent;
}
