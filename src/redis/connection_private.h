/*
 * The inside of a connection, shared by connection.c (machine, life),
 * connection_attempt.c (connecting, and failure), connection_commands.c (what
 * is under way) and connection_watch.c (deadlines, heartbeats).
 */
#ifndef PGRIPPLE_REDIS_CONNECTION_PRIVATE_H
#define PGRIPPLE_REDIS_CONNECTION_PRIVATE_H

#include "redis/connection.h"

#include <pgripple/error.h>

#include "base/backoff.h"
#include "redis/connection_states.h"
#include "redis/guard.h"
#include "redis/locate.h"
#include "redis/url.h"

struct event;
struct redisAsyncContext;

/* A command under way. */
struct request {
	redis_reply_cb callback;
	void *context;
	int64_t sent_us;
};

struct redis_connection {
	struct event_base *base;
	struct redis_options options;
	struct redis_listener listener;
	struct redis_url url;
	char name[REDIS_URL_TEXT];
	char *target; /* NULL if there is but one */
	char *prefix;

	enum connection_state state;
	struct pgripple_error why; /* the last failure */
	struct event *timer; /* of the state */
	int64_t due_us; /* when it really is */
	struct event *release; /* deferred */

	struct redis_locate *locate;
	char address[REDIS_PLACE_TEXT]; /* where ac leads to */
	struct redisAsyncContext *ac;
	struct redis_guard guard;
	struct redis_verify verify;
	struct redis_server server;
	struct backoff backoff;
	bool announced;

	struct request requests[REDIS_MAX_PENDING]; /* a ring */
	uint64_t n_sent; /* ever */
	uint64_t n_answered;
	int64_t heard_us; /* when the last reply came */

	int64_t complained_us; /* 0: not since it was up */
	char complaint[sizeof(((struct pgripple_error *)0)->text)];

	redis_stopped_cb on_stopped;
	void *stopped_context;
};

/* Feeds the machine; alone decides what an event means. */
void connection_step(struct redis_connection *conn, enum connection_event event,
    const struct pgripple_error *why);

/* The only place that writes the state. */
void connection_enter(struct redis_connection *conn, enum connection_state next,
    enum connection_event event, const struct pgripple_error *why);

/* The actions that connection_states.h names, one each. */
void connection_do_connect(struct redis_connection *conn);
void connection_do_verify(struct redis_connection *conn);
void connection_do_announce(struct redis_connection *conn);
void connection_do_watch(struct redis_connection *conn);
void connection_do_expire(struct redis_connection *conn);
void connection_do_wait(struct redis_connection *conn);

/* connection_attempt.c: who knows where to connect to; -1: NOMEM.  And the end
 * of what is under way there. */
int connection_make_locate(
    struct redis_connection *conn, struct pgripple_error *err) MUST_CHECK;
void connection_close_context(struct redis_connection *conn);

/* connection_commands.c: as redis_command(), but for the state.  The one that
 * is answered next is number n_answered.  All complete, without a reply. */
int connection_submit(struct redis_connection *conn, int argc,
    const char **argv, const size_t *lengths, redis_reply_cb callback,
    void *context, struct pgripple_error *err) MUST_CHECK;
uint64_t connection_n_pending(const struct redis_connection *conn);
struct request *connection_request_at(
    struct redis_connection *conn, uint64_t number);
void connection_complete_all(struct redis_connection *conn);

/* connection_watch.c: sets the timer; says that it came; and when the watch
 * must look again. */
void connection_arm_until(struct redis_connection *conn, int64_t due_us);
void connection_arm(struct redis_connection *conn, int64_t delay_ms);
void connection_take_timer(struct redis_connection *conn);
int64_t connection_watch_due(struct redis_connection *conn);

#endif
