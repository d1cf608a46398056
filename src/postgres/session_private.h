/*
 * The inside of a session, shared by session.c (machine, events, life),
 * session_attempt.c (connecting, and loss), session_statement.c (the caller's
 * statement) and session_watch.c (deadlines, heartbeats).
 */
#ifndef PGRIPPLE_POSTGRES_SESSION_PRIVATE_H
#define PGRIPPLE_POSTGRES_SESSION_PRIVATE_H

#include "postgres/session.h"

#include <pgripple/error.h>

#include "base/backoff.h"
#include "postgres/conninfo.h"
#include "postgres/session_states.h"

struct event;
struct link;
struct link_report;

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

/* What the other session has seen of this one's process on the server, while
 * this one waits. */
struct sighting {
	bool is_known; /* the process was seen there once */
	char what[SESSION_SEEN];
	uint64_t serial; /* in which state */
	int64_t at_us;
	bool is_vain; /* it does nothing for us */
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
	struct sighting sighting;
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

/* Feeds the machine; alone decides what an event means. */
void session_step(struct session *session, enum session_event event);

/* The only place that writes the state. */
void session_enter(
    struct session *session, enum session_state state, const char *reason);

/* Tells the loop to look at is_lost and is_abandoned; and that it is lost. */
void session_send_to_self(struct session *session);
void session_lose_from_loop(struct session *session);

/* What the link has read.  May call the caller. */
void session_take_report(struct session *session, struct link_report *report);

/* The server refused the statement; the result says "true" in its only row. */
bool session_has_failed(const PGresult *result);
bool session_says_true(const PGresult *result);

/* The actions that session_states.h names, one each. */
void session_do_connect(struct session *session);
void session_do_prepare(struct session *session);
void session_do_go_up(struct session *session);
void session_do_answer(struct session *session);
void session_do_beat(struct session *session);
void session_do_resume(struct session *session);
void session_do_retry(struct session *session);
void session_do_go_down(struct session *session);
void session_do_close(struct session *session);

/* session_attempt.c: our settings were answered: it is up, or the wrong one. */
void session_judge_preparation(struct session *session);

/* session_statement.c: nobody knows whether it was done; and sends the one that
 * had to wait for a heartbeat. */
void session_tell_lost(
    struct session *session, const struct pgripple_error *why);
void session_send_held(struct session *session);

/* session_watch.c: the timer; the next heartbeat; and that the timer came. */
void session_set_timer(struct session *session, int64_t after_ms);
void session_await_heartbeat(struct session *session);
void session_take_timer(struct session *session);

#endif
