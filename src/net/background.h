/*
 * Work that blocks (a name server, a sentinel), in a thread of its own.
 *
 * The thread shares nothing with the event loop but the piece of work that it
 * was given, hands it back when it is done, and ends.  A thread that waits for
 * a silent server cannot be stopped, only left alone; how many may be left so
 * is bounded.
 */
#ifndef PGRIPPLE_NET_BACKGROUND_H
#define PGRIPPLE_NET_BACKGROUND_H

#include "base/util.h"

struct event_base;
struct background;

/* In the thread, where nothing but the work may be touched and nothing logged.
 * The release frees the work; it comes last, in the thread or outside. */
typedef void (*background_work_cb)(void *work);

/* From the event loop; the work is lent for the call. */
typedef void (*background_done_cb)(void *context, void *work);

struct background_job {
	background_work_cb run; /* NULL: all is done already */
	background_work_cb release;
	void *work; /* taken over, on failure too */
};

/* -1: NOMEM; LIMIT if too many threads are still waiting. */
int background_start(struct event_base *base, const struct background_job *job,
    background_done_cb done, void *context, struct background **ret_background,
    struct pgripple_error *err) MUST_CHECK;
/* No callback follows.  Nothing happens if it is NULL. */
void background_cancel(struct background *background);

#endif
