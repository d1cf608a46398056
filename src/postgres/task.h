/*
 * Tasks: work that is long or due later, kept in a table until done.  One
 * daemon works, so a task that is marked as started was left behind by a
 * daemon that died, and is taken again.
 */
#ifndef PGRIPPLE_POSTGRES_TASK_H
#define PGRIPPLE_POSTGRES_TASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "postgres/session.h"

struct task {
	int64_t id;
	const char *operation; /* JSON */
	size_t length;
};

/* task is lent for the callback; NULL if none is due, or unless DONE. */
typedef void (*task_next_cb)(void *context, enum session_outcome outcome,
    const struct task *task, const struct pgripple_error *err);
/* The task that has been due for longest, but for those of the targets that are
 * postponed; it is marked as started, so that an identical one that comes in
 * from now on is a task of its own. */
int task_next(struct session *session, const char *schema,
    const char *const *postponed, size_t n_postponed, task_next_cb done,
    void *context, struct pgripple_error *err) MUST_CHECK;

typedef void (*task_done_cb)(void *context, enum session_outcome outcome,
    const struct pgripple_error *err);
struct task_end {
	int64_t id;
	const char *reason; /* it is rejected: why; or NULL */
	int64_t max_rejected; /* rows that are kept */
};

/* The task is finished: removes it, or moves it to "rejected". */
int task_done(struct session *session, const char *schema,
    const struct task_end *end, task_done_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;

#endif
