/*
 * The inside of a task runner, shared by tasks.c (machine, asking, removing)
 * and tasks_slice.c (what is sent to Redis).
 */
#ifndef PGRIPPLE_FLOW_TASKS_PRIVATE_H
#define PGRIPPLE_FLOW_TASKS_PRIVATE_H

#include "flow/tasks.h"

#include <pgripple/plan.h>

#include "base/backoff.h"
#include "flow/pace.h"
#include "flow/replay.h"
#include "flow/tasks_states.h"
#include "redis/connection.h"
#include "redis/scan.h"

struct tasks {
	struct session *work;
	struct targets *targets;
	struct tasks_listener listener;
	const struct settings *settings;

	bool quick; /* lists, which need no pace */

	enum tasks_state state;
	bool woken; /* while asking: ask once more */
	struct event *pause;
	struct backoff backoff;

	/* The task under way; the arena is NULL in between. */
	struct arena *arena;
	int64_t id;
	const char *text; /* JSON, as it stands in Postgres */
	size_t length;
	struct pgripple_operation *operations; /* a scan is alone */
	size_t n_operations; /* 0: not understood */
	/* Messages wait until the drains before them have come to their end. */
	struct pgripple_operation *messages;
	size_t n_messages;
	/* What rows of django-cacheops left to be looked for: one after the
	 * other, before messages.  A list of quick ones, for whose end others
	 * wait, leaves it, with what is to be drained, to tasks of their own.
	 */
	struct pgripple_operation *scans;
	size_t n_scans;
	size_t target;
	struct pgripple_operation first; /* for the log */
	const char *reason; /* why it is to be rejected in the end, or NULL */
	struct pace pace;
	bool is_measured; /* the keyspace, for the pace */
	int64_t sent_us; /* the slice under way */
	int64_t pause_us; /* after it, or until something is due; 0: until
			   * woken */
	char cursor[REDIS_CURSOR_TEXT];
	/* Of the target when it began: of another one nobody knows what has
	 * been done. */
	uint64_t generation;
	struct replay_mark mark; /* behind it */
	uint64_t n_removed;
	int64_t started_us;
};

/* Feeds the machine; alone decides what an event means. */
void tasks_step(struct tasks *tasks, enum tasks_event event);

/* Remembers why the task is to be rejected, the first time. */
void tasks_reject(struct tasks *tasks, const char *reason);

/* Of the keys of a slice. */
int64_t tasks_max_count(const struct tasks *tasks);

/* Before the first slice, and each slice. */
void tasks_begin(struct tasks *tasks);
void tasks_work(struct tasks *tasks);
/* Behind the last slice. */
void tasks_set_mark(struct tasks *tasks);

#endif
