/*
 * A session: one connection to Postgres that is kept up for ever.  It connects
 * (and waits for a server that is not there yet), pins the settings that our
 * statements rely on, runs one statement at a time, notices a peer that went
 * silent by heartbeats and deadlines, and starts over after a growing pause.
 *
 * The socket is always read, whatever is or is not under way: a listener that
 * does not read lets the server's notification queue fill up, and then the
 * commits of the application fail.
 */
#ifndef PGRIPPLE_POSTGRES_SESSION_H
#define PGRIPPLE_POSTGRES_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "postgres/rows.h"

struct event_base;
struct session;

struct session_options {
	const char *name; /* "listen", "work": for logs, and what
			   * pg_stat_activity shows after "pgripple " */
	const char *conninfo; /* as libpq takes it: keywords or URI */
	int64_t connect_timeout_ms; /* of an attempt, over all its hosts */
	int64_t statement_timeout_ms;
	int64_t heartbeat_ms; /* idle for so long: prove that it is alive */
	int64_t retry_max_ms;
};

/* Called from the event loop only, never from inside a call of ours. */
struct session_listener {
	void *context;
	void (*on_up)(void *context);
	/* Only after an on_up, and after the statement under way was told. */
	void (*on_down)(void *context, const struct pgripple_error *err);
	/* Notifications came in: once for all that were read together. */
	void (*on_notify)(void *context);
	/* A heartbeat was answered; what it said is lent. */
	void (*on_beat)(void *context, const struct rows *rows);
};

enum session_outcome {
	SESSION_DONE,
	SESSION_FAILED, /* the server refused it; the session goes on */
	SESSION_LOST, /* nobody knows whether it was done */
};

const char *session_outcome_name(enum session_outcome outcome);

/* All of it is lent for the callback. */
struct session_answer {
	enum session_outcome outcome;
	struct rows rows; /* DONE: of the last statement */
	const struct pgripple_error *err; /* FAILED, LOST: PEER; else NULL */
	char sqlstate[6]; /* FAILED: what the server said */
};

/* The next statement may be submitted, and the session stopped or freed, from
 * inside. */
typedef void (*session_answer_cb)(
    void *context, const struct session_answer *answer);

/* Copies the options and the listener; functions of the listener may be NULL.
 * CONFIG error if the conninfo cannot be parsed. */
int session_new(struct event_base *base, const struct session_options *options,
    const struct session_listener *listener, struct session **ret_session,
    struct pgripple_error *err) MUST_CHECK;
/* The statement under way, if any, is told SESSION_LOST before this returns:
 * the one exception to "never from inside".  No other callback follows. */
void session_free(struct session *session);

/* The first attempt is made from the event loop. */
void session_start(struct session *session);
/* Closes the connection at once; the statement under way is told SESSION_LOST
 * from the event loop.  There is no on_down. */
void session_stop(struct session *session);

bool session_is_up(const struct session *session);
/* A statement is under way. */
bool session_is_busy(const struct session *session);
/* "host=... port=... dbname=... user=...", without secrets. */
const char *session_describe(const struct session *session);
/* Another number each time the session comes up: what one connection was told
 * may not hold on the next, which may be to another server. */
uint64_t session_number(const struct session *session);
/* The server's, as server_version_num; 0 unless up. */
int session_server_version(const struct session *session);
/* As the server named itself when the connection was made: a pooler in between
 * invents a number that is not pg_backend_pid(); 0 unless up. */
int session_server_pid(const struct session *session);

/* Runs one statement in autocommit.  Accepted when up and not busy; then there
 * is exactly one callback.  Parameters are texts or NULL; they and the SQL are
 * copied or sent before this returns.  -1 (PEER, NOMEM): not accepted, there
 * is no callback. */
int session_query(struct session *session, const char *sql, int n_values,
    const char *const *values, session_answer_cb answer, void *context,
    struct pgripple_error *err) MUST_CHECK;
/* Runs several statements as one message and one transaction (so SET LOCAL
 * works, in one round trip); the answer is that of the last. */
int session_script(struct session *session, const char *sql,
    session_answer_cb answer, void *context,
    struct pgripple_error *err) MUST_CHECK;

/* The statement that heartbeats run, instead of the usual "SELECT true": the
 * first column of its only row must be true, else the session is given up.
 * Copied; NULL: the usual.  Forgotten when the session goes down. */
int session_set_heartbeat(struct session *session, const char *sql,
    struct pgripple_error *err) MUST_CHECK;

/* The other session of the same server has found it silent: what is under way
 * gets no more time than a heartbeat, instead of a statement's. */
void session_hurry(struct session *session);
/* What another session of the same server has just seen of this one's process:
 * since when it has nothing to do, SESSION_GONE if there is none, "" if it may
 * be at work.  Twice the same while a statement is not answered, and nothing
 * has come for some time: the statement was lost, or its answer was. */
#define SESSION_SEEN 64
#define SESSION_GONE "gone"
void session_take_sighting(struct session *session, const char *seen);
/* It went down last because nothing came in time. */
bool session_was_silent(const struct session *session);

/* Gives the connection up and starts over, because of what *err says: for
 * users who see that it is of no use.  Takes effect from the event loop. */
void session_give_up(struct session *session, const struct pgripple_error *err);

#endif
