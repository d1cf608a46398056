/*
 * What waits in the schema's tables: for metrics, and for whoever asks how far
 * behind the caches are.
 */
#ifndef PGRIPPLE_POSTGRES_BACKLOG_H
#define PGRIPPLE_POSTGRES_BACKLOG_H

#include <stdint.h>

#include "base/util.h"
#include "postgres/session.h"

/* Rows of a table are counted up to this. */
#define BACKLOG_MAX_COUNT 10000

struct backlog {
	int64_t n_changes; /* an estimate above BACKLOG_MAX_COUNT */
	int64_t oldest_wall_us; /* when its trigger ran; 0: there is none */
	int64_t n_tasks;
	int64_t n_rejected;
};

typedef void (*backlog_cb)(void *context, enum session_outcome outcome,
    const struct backlog *backlog, const struct pgripple_error *err);

/* Changes above that id, the low-water mark.  -1: not accepted. */
int backlog_look(struct session *session, const char *schema, int64_t above_id,
    backlog_cb done, void *context, struct pgripple_error *err) MUST_CHECK;

/* Writes a ping to the outbox, of a key that goes from Redis.  The backlog that
 * is told is empty. */
int backlog_send_ping(struct session *session, const char *schema,
    const char *key, backlog_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;

#endif
