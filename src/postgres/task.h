/*
 * Tasks: work that is long or due later, kept in a table until done.  One
 * daemon works, so a task that is marked as started was left behind by a
 * daemon that died, and is taken again.
 *
 * A list of quick operations (core/operation.h) need not wait for the end of
 * a task that takes long: whoever asks says which of the two he does.
 */
#ifndef PGRIPPLE_POSTGRES_TASK_H
#define PGRIPPLE_POSTGRES_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "postgres/session.h"
#include "postgres/state.h"

struct task {
	int64_t id;
	const char *operation; /* JSON */
	size_t length;
};

/* Lent for the callback. */
struct task_answer {
	const struct task *task; /* NULL if none is due, or unless DONE */
	int64_t wait_ms; /* when to ask again then; 0: none is there */
};

typedef void (*task_next_cb)(void *context, enum session_outcome outcome,
    const struct task_answer *answer, const struct pgripple_error *err);
/* Which tasks are asked for. */
struct task_choice {
	bool quick; /* lists of quick operations, or all others */
	/* Those of these targets are not. */
	const char *const *postponed;
	size_t n_postponed;
};

/* The task that has been due for longest, or one for which all read replicas
 * have come far enough; it is marked as started, so that an
 * identical one that comes in from now on is a task of its own. */
int task_next(struct session *session, const char *schema,
    const struct task_choice *choice, task_next_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;

typedef void (*task_done_cb)(void *context, enum session_outcome outcome,
    bool is_claimed_by_other, const struct pgripple_error *err);
struct task_end {
	int64_t id;
	const char *reason; /* it is rejected: why; or NULL */
	int64_t max_rejected; /* rows that are kept */
	/* The mark that was set behind it; none if it was not understood. */
	struct state_change state;
	/* What is left of it, as tasks of their own: JSON, in ASCII. */
	const char *const *later;
	size_t n_later;
};

/* The task is finished: removes it, or moves it to "rejected".  FAILED, and
 * nothing was done, if another daemon works. */
int task_done(struct session *session, const char *schema,
    const struct task_end *end, task_done_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;

#endif
