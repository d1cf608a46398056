/*
 * From the attempt to connect until the session is up, and what is done when it
 * is lost: say why, pause, try the next host.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "observe/log.h"
#include "postgres/link.h"
#include "postgres/pins.h"
#include "postgres/session_private.h"

/* Of the time to connect, one part of so many may be spent on waiting for name
 * servers while another host has an address. */
#define RESOLVE_SHARE 4
#define REPEAT_WARNING_US INT64_C(60000000)

void
session_do_connect(struct session *session)
{
	session_set_timer(session, session->options.connect_timeout_ms);
	if (link_connect(session->link,
		session->options.connect_timeout_ms / RESOLVE_SHARE,
		&session->why) != 0)
		session_step(session, SESSION_ON_LOST);
}

void
session_do_prepare(struct session *session)
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

/* The answer to our settings: the session is up, or the wrong one. */
void
session_judge_preparation(struct session *session)
{
	PGresult *result = steal(&session->result);
	bool is_standby = false;
	bool failed = session_has_failed(result);

	if (failed)
		conninfo_result_error(
		    session->conninfo, result, NULL, &session->why);
	else
		is_standby = session_says_true(result);
	PQclear(result);
	if (is_standby)
		pgripple_error_set(&session->why, PGRIPPLE_ERROR_PEER,
		    "the server is a standby, which cannot be written to");
	session_step(session,
	    failed || is_standby ? SESSION_ON_LOST : SESSION_ON_PREPARED);
}

void
session_do_go_up(struct session *session)
{
	backoff_succeed(&session->backoff);
	session->number++;
	session->told_us = 0;
	session->sighting = (struct sighting){.is_known = false};
	session_await_heartbeat(session);
	log_event(LOG_LEVEL_INFO, "postgres.up",
	    log_string("session", session->name),
	    log_string("server", conninfo_describe(session->conninfo)),
	    log_int("server_version", link_server_version(session->link)));
	if (session->listener.on_up != NULL)
		session->listener.on_up(session->listener.context);
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

void
session_do_retry(struct session *session)
{
	int64_t pause_ms = backoff_fail(&session->backoff);

	close_link(session);
	conninfo_rotate(session->conninfo);
	warn(session, pause_ms);
	session_set_timer(session, pause_ms);
}

void
session_do_go_down(struct session *session)
{
	struct pgripple_error why = session->why;
	uint64_t serial = session->serial;

	session_do_retry(session);
	session_tell_lost(session, &why);
	if (session->serial == serial && session->listener.on_down != NULL)
		session->listener.on_down(session->listener.context, &why);
}

void
session_do_close(struct session *session)
{
	close_link(session);
	if (!session->statement.is_there)
		return;
	pgripple_error_set(&session->why, PGRIPPLE_ERROR_PEER,
	    "the postgres session \"%s\" was stopped", session->name);
	session->is_abandoned = true;
	session_send_to_self(session);
}
