/*
 * Tasks: work that is long, done in slices beside the batches, or due later.  A
 * runner does one at a time; it is removed from its table when it is done, so
 * that it survives a restart.  There are two runners, for what is due in two
 * seconds cannot wait for the end of a scan.
 */
#ifndef PGRIPPLE_FLOW_TASKS_H
#define PGRIPPLE_FLOW_TASKS_H

#include <stdbool.h>

#include "base/util.h"
#include "config/settings.h"

struct event_base;
struct session;
struct targets;
struct tasks;

struct tasks_listener {
	void *context;
	/* It wants the session now, or is done with it. */
	void (*on_turn)(void *context);
	/* Another daemon works: nothing can be removed. */
	void (*on_claimed_by_other)(void *context);
	/* It is not known whether one was removed. */
	void (*on_in_doubt)(void *context);
	/* It has left tasks. */
	void (*on_tasks)(void *context);
};

/* quick: lists of quick operations; else all others. */
int tasks_new(struct event_base *base, struct session *work,
    struct targets *targets, bool quick, const struct tasks_listener *listener,
    struct tasks **ret_tasks, struct pgripple_error *err) MUST_CHECK;
void tasks_free(struct tasks *tasks);
/* Borrowed. */
void tasks_configure(struct tasks *tasks, const struct settings *settings);

/* There may be tasks: look when there is a turn. */
void tasks_wake(struct tasks *tasks);
/* It has a statement for the work session (never while the daemon observes),
 * which is given its turn by tasks_take_turn(), up and not busy. */
bool tasks_wants_session(const struct tasks *tasks);
void tasks_take_turn(struct tasks *tasks);
/* It has its turn: a statement of its own is under way, or a mark, of which
 * there is one at a time. */
bool tasks_uses_session(const struct tasks *tasks);

#endif
