/*
 * The session's one timer: the deadline or the pause of the present state, and
 * the heartbeats by which a peer that went silent is noticed.
 */
#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "postgres/link.h"
#include "postgres/session_private.h"

#define MIN_BEAT_TIMEOUT_MS 1000

void
session_set_timer(struct session *session, int64_t after_ms)
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
void
session_await_heartbeat(struct session *session)
{
	if (session->options.heartbeat_ms > 0)
		session_set_timer(session, session->options.heartbeat_ms);
}

void
session_do_beat(struct session *session)
{
	int64_t timeout_ms = session->options.heartbeat_ms;
	const char *sql =
	    session->heartbeat != NULL ? session->heartbeat : "SELECT true";

	if (timeout_ms < MIN_BEAT_TIMEOUT_MS)
		timeout_ms = MIN_BEAT_TIMEOUT_MS;
	session_set_timer(session, timeout_ms);
	if (link_send(session->link, sql, 0, NULL, &session->why) != 0)
		session_step(session, SESSION_ON_LOST);
}

/* The heartbeat was answered: what was held back meanwhile may go. */
void
session_do_resume(struct session *session)
{
	PGresult *result = steal(&session->result);
	bool is_alive = session_says_true(result);

	if (!is_alive && session_has_failed(result))
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
	session_await_heartbeat(session);
	session_send_held(session);
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
		session_set_timer(session,
		    waited_ms < heartbeat_ms ? heartbeat_ms - waited_ms : 0);
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
	session_take_report(session, &report);
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
void
session_take_timer(struct session *session)
{
	int64_t left_us = session->due_us - clock_monotonic_us();

	if (session->due_us == 0)
		return;
	if (left_us > 0) {
		int64_t due_us = session->due_us;

		session_set_timer(session, left_us / 1000 + 1);
		session->due_us = due_us;
		return;
	}
	if (has_arrived(session))
		return;
	say_what_is_late(session);
	session->was_silent = session_is_up(session);
	session_step(session, SESSION_ON_TIMER);
}
