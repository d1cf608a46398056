/*
 * A batch: changes that are fetched, resolved, applied and acknowledged
 * together.  There is one at a time; all its memory goes when it ends.
 */
#ifndef PGRIPPLE_FLOW_BATCH_H
#define PGRIPPLE_FLOW_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <pgripple/graph.h>

#include "base/util.h"
#include "config/settings.h"

struct batch;
struct catalog;
struct event_base;
struct report;
struct session;
struct targets;

/* What batches need; all of it borrowed. */
struct batch_peers {
	struct session *work;
	struct targets *targets;
	struct report *report;
};

struct batch_listener {
	void *context;
	/* The outbox was seen empty: nothing to do until the doorbell. */
	void (*on_empty)(void *context);
	/* Changes were fetched; the trigger of the oldest ran then. */
	void (*on_fetched)(void *context, int64_t wall_us);
	/* A batch was applied and acknowledged: it had a ping of this probe in
	 * it (flow/probe.h), or not. */
	void (*on_proof)(void *context, bool is_canary);
	/* A batch ended, well or not; there may be more to do.  is_small: it
	 * was done, and far from what a batch may hold. */
	void (*on_end)(void *context, bool is_small);
	/* The work session is free again. */
	void (*on_turn)(void *context);
	/* Tasks were added. */
	void (*on_tasks)(void *context);
	/* Another daemon works: nothing can be acknowledged. */
	void (*on_claimed_by_other)(void *context);
	/* It is not known whether it was acknowledged. */
	void (*on_in_doubt)(void *context);
	/* A lookup failed in a way that says that the catalog has changed. */
	void (*on_drift)(void *context);
};

/* Copies peers and listener.  -1: NOMEM. */
int batch_new(struct event_base *base, const struct batch_peers *peers,
    const struct batch_listener *listener, struct batch **ret_batch,
    struct pgripple_error *err) MUST_CHECK;
void batch_free(struct batch *batch);

/* What the next batch works with; borrowed; only while idle. */
void batch_configure(struct batch *batch, const struct settings *settings,
    const struct pgripple_graph *graph, const struct catalog *catalog);

bool batch_is_idle(const struct batch *batch);
/* From the fetch to the end: the work session is the batch's own.  False while
 * it is idle, and while it pauses after a failure; the session may be busy all
 * the same, with a fetch that nobody waits for any more. */
bool batch_is_under_way(const struct batch *batch);
/* Starts one with the oldest changes above that id: the work session must be up
 * and not busy, the batch idle. */
void batch_start(struct batch *batch, int64_t above_id);

/* How long the batch has been at the same step; 0 when idle or pausing. */
int64_t batch_step_age_us(const struct batch *batch);

#endif
