/*
 * The statement of the caller: one at a time, told exactly once what came of
 * it.  While a heartbeat is under way it is held back, as copies of its texts.
 */
#include <string.h>

#include "base/clock.h"
#include "postgres/link.h"
#include "postgres/session_private.h"

/* The server's own timeout comes first, and says more. */
#define ANSWER_GRACE_MS 5000

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

bool
session_is_busy(const struct session *session)
{
	return session->statement.is_there;
}

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

void
session_tell_lost(struct session *session, const struct pgripple_error *why)
{
	struct pgripple_error err = *why;

	if (session->statement.is_there)
		tell_answer(session, &(struct session_answer){
					 .outcome = SESSION_LOST, .err = &err});
}

void
session_do_answer(struct session *session)
{
	PGresult *result = steal(&session->result);
	struct session_answer answer = {.outcome = SESSION_DONE};
	struct pgripple_error err;

	answer.rows.result = result;
	if (session_has_failed(result)) {
		answer.outcome = SESSION_FAILED;
		answer.rows.result = NULL;
		answer.err = &err;
		conninfo_result_error(
		    session->conninfo, result, answer.sqlstate, &err);
	}
	session_await_heartbeat(session);
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
		session_lose_from_loop(session);
		return -1;
	}
	session->sent_us = clock_monotonic_us();
	session->sighting.is_vain = false;
	if (session->options.statement_timeout_ms > 0)
		session_set_timer(session,
		    session->options.statement_timeout_ms + ANSWER_GRACE_MS);
	return 0;
}

void
session_send_held(struct session *session)
{
	struct statement *statement = &session->statement;

	if (!statement->is_there)
		return;
	session_enter(session, SESSION_BUSY, "a statement that was held");
	/* When it cannot be sent, the loss tells it so. */
	(void)send_statement(session, statement->sql, statement->n_values,
	    (const char *const *)statement->values, &session->why);
	drop_copies(statement);
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
