/*
 * The session's one timer: the deadline or the pause of the present state, and
 * the heartbeats by which a peer that went silent is noticed.
 */
#include <event2/event.h>
#include <stdio.h>
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

/* For an answer that takes the server no time. */
static int64_t
patience_ms(const struct session *session)
{
	int64_t heartbeat_ms = session->options.heartbeat_ms;

	return heartbeat_ms < MIN_BEAT_TIMEOUT_MS ? MIN_BEAT_TIMEOUT_MS
						  : heartbeat_ms;
}

void
session_do_beat(struct session *session)
{
	const char *sql =
	    session->heartbeat != NULL ? session->heartbeat : "SELECT true";

	session_set_timer(session, patience_ms(session));
	if (link_send(session->link, sql, 0, NULL, &session->why) != 0)
		session_step(session, SESSION_ON_LOST);
}

/* The heartbeat was answered: what was held back meanwhile may go. */
void
session_do_resume(struct session *session)
{
	PGresult *result = steal(&session->result);
	const struct rows rows = {.result = result};
	bool is_alive = session_says_true(result);

	if (!is_alive && session_has_failed(result))
		conninfo_result_error(
		    session->conninfo, result, NULL, &session->why);
	else if (!is_alive)
		pgripple_error_set(&session->why, PGRIPPLE_ERROR_PEER,
		    "the heartbeat shows that the session is not what it was");
	if (is_alive) {
		session_await_heartbeat(session);
		session_send_held(session);
		if (session->listener.on_beat != NULL)
			session->listener.on_beat(
			    session->listener.context, &rows);
	}
	PQclear(result);
	if (!is_alive)
		session_step(session, SESSION_ON_LOST);
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

/* So long nothing has come when it is first seen, and then again. */
static int64_t
suspicion_us(const struct session *session)
{
	return patience_ms(session) * 1000 / 2;
}

/* Nothing has come for so long, and nothing is on its way that the kernel knows
 * of, in either direction: large statements and answers may be slow. */
static bool
is_silent(const struct session *session, int64_t now_us)
{
	int64_t heard_us = link_heard_us(session->link);
	int64_t since_us =
	    heard_us > session->sent_us ? heard_us : session->sent_us;

	return now_us - since_us >= suspicion_us(session) &&
	       link_is_confirmed(session->link);
}

/* The answer may be under way when the server is seen to be done with it, and
 * so may the statement when it is seen to have none: hence twice. */
void
session_take_sighting(struct session *session, const char *seen)
{
	struct sighting *last = &session->sighting;
	int64_t now_us = clock_monotonic_us();

	if (strcmp(seen, SESSION_GONE) != 0)
		last->is_known = true;
	if (session->state != SESSION_BUSY || !last->is_known ||
	    *seen == '\0' || !is_silent(session, now_us)) {
		last->what[0] = '\0';
		return;
	}
	if (strcmp(last->what, seen) != 0 || last->serial != session->serial) {
		(void)snprintf(last->what, sizeof(last->what), "%s", seen);
		last->serial = session->serial;
		last->at_us = now_us;
	} else if (now_us - last->at_us >= suspicion_us(session)) {
		last->is_vain = true;
		session_set_timer(session, 0);
	}
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
		what = session->sighting.is_vain
			   ? "the server has no statement of ours under way: "
			     "it was lost, or its answer was"
			   : "a statement was not answered in time";
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
