/*
 * The way of a batch: fetch, decode, resolve, plan, apply, acknowledge.
 *
 * Only batch_enter() writes the state, and batch_step() alone decides what an
 * event means (batch_states.c).  Whatever fails, the batch is dropped and its
 * rows, which are still in the outbox, are fetched again after a pause.
 */
#include <inttypes.h>
#include <string.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/clock.h"
#include "flow/batch_private.h"
#include "flow/probe.h"
#include "flow/report.h"
#include "flow/targets.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "postgres/session.h"

/* A pause after a failure starts at this length. */
#define FIRST_PAUSE_MS 50
#define STABLE_MS 5000
/* Before a mark that had to stay is fetched again. */
#define KEPT_PAUSE_MS 100

void
batch_fail(struct batch *batch, const struct pgripple_error *err)
{
	log_error_of(LOG_LEVEL_WARNING, "batch.failed", "step",
	    batch_state_name(batch->state), err);
	batch_step(batch, BATCH_ON_FAILED);
}

static void
forget(struct batch *batch)
{
	pgripple_walk_free(batch->walk);
	batch->walk = NULL;
	batch->arena = NULL;
	batch->ids = NULL;
	batch->rejections = NULL;
	batch->changes = NULL;
	batch->pings = NULL;
	batch->parts = NULL;
	batch->postponed = NULL;
	batch->drains = NULL;
	batch->tasks = NULL;
	batch->lsn = "";
	batch->escalations = NULL;
	batch->n_ids = batch->n_rejections = batch->n_changes = 0;
	batch->n_pings = batch->n_drains = batch->n_tasks = 0;
	batch->n_parts = batch->n_parts_under_way = batch->n_postponed = 0;
	batch->n_kept = 0;
	batch->has_failed = false;
	batch->has_due_tasks = false;
	batch->postponed_targets = 0;
	batch->has_marks = false;
	batch->plan = (struct pgripple_plan){0};
}

/* Ending. */

static bool
has_canary(const struct batch *batch)
{
	for (size_t i = 0; i < batch->n_pings; i++)
		if (strcmp(batch->pings[i].key, PROBE_KEY) == 0)
			return true;
	return false;
}

/* Those for which it left tasks; NULL if there is none. */
static const char *
postponed_names(const struct batch *batch, struct buf *buf)
{
	if (batch->postponed_targets == 0)
		return NULL;
	targets_print(batch->peers.targets, batch->postponed_targets, buf);
	return buf_string(buf);
}

static void
finish(struct batch *batch)
{
	/* A ping may tell of tasks that were put back by hand. */
	bool has_tasks = batch->has_due_tasks || batch->n_drains > 0 ||
			 batch->plan.n_repeats > 0 || batch->n_pings > 0;
	CLEANUP(buf_done) struct buf names = BUF_INIT;
	const struct report_applied applied = {
	    .wall_us = batch->applied_wall_us,
	    .postponed = postponed_names(batch, &names),
	};

	backoff_succeed(&batch->backoff);
	batch_count_done(batch);
	batch->listener.on_proof(batch->listener.context, has_canary(batch));
	batch_tell_escalations(batch);
	for (size_t i = 0; i < batch->n_changes; i++)
		report_change(batch->peers.report, batch->walk, i,
		    &batch->changes[i], &applied);
	forget(batch);
	if (has_tasks)
		batch->listener.on_tasks(batch->listener.context);
}

static void
pause_for_ms(struct batch *batch, int64_t pause_ms)
{
	struct timeval pause = {
	    .tv_sec = pause_ms / 1000,
	    .tv_usec = pause_ms % 1000 * 1000,
	};

	(void)event_add(batch->pause, &pause); /* the timer exists already */
}

static void
drop(struct batch *batch)
{
	metrics_add(METRIC_BATCHES, "failed", NULL, 1);
	batch_forget_prefetched(batch);
	forget(batch);
	pause_for_ms(batch, backoff_fail(&batch->backoff));
}

/* The machine. */

static void
batch_enter(struct batch *batch, enum batch_state next, enum batch_event reason)
{
	if (next != batch->state)
		log_event(LOG_LEVEL_DEBUG, "batch.state",
		    log_string("from", batch_state_name(batch->state)),
		    log_string("to", batch_state_name(next)),
		    log_string("reason", batch_event_name(reason)));
	batch->entered_us = clock_monotonic_us();
	if (next != batch->state) {
		batch_count_stage(batch);
		batch->stage_us = batch->entered_us;
	}
	batch->state = next;
}

void
batch_act(struct batch *batch, enum batch_action action)
{
	switch (action) {
	case BATCH_FETCH:
		batch_fetch(batch);
		break;
	case BATCH_SLEEP:
		backoff_succeed(&batch->backoff);
		batch->listener.on_empty(batch->listener.context);
		break;
	case BATCH_RESOLVE:
		batch_resolve(batch);
		break;
	case BATCH_LOOK_UP:
		batch_look_up(batch);
		break;
	case BATCH_CLAIM:
		batch_claim(batch);
		break;
	case BATCH_APPLY:
		batch_apply(batch);
		break;
	case BATCH_ACKNOWLEDGE:
		batch_acknowledge(batch);
		break;
	case BATCH_FINISH:
		finish(batch);
		batch->listener.on_end(
		    batch->listener.context, batch->is_small);
		break;
	case BATCH_FINISH_AND_PAUSE:
		finish(batch);
		pause_for_ms(batch, KEPT_PAUSE_MS);
		break;
	case BATCH_DROP:
		drop(batch);
		break;
	case BATCH_REST:
		batch->listener.on_end(batch->listener.context, false);
		break;
	case BATCH_BUG:
		abort();
	}
}

void
batch_step(struct batch *batch, enum batch_event event)
{
	struct batch_transition transition =
	    batch_transition(batch->state, event);

	if (transition.action == BATCH_BUG)
		log_event(LOG_LEVEL_ERROR, "batch.bug",
		    log_string("state", batch_state_name(batch->state)),
		    log_string("reason", batch_event_name(event)));
	batch_enter(batch, transition.next, event);
	if (!batch_hold(batch, transition.action))
		batch_act(batch, transition.action);
}

static void
on_pause_over(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	batch_step(context, BATCH_ON_TIMER);
}

int
batch_new(struct event_base *base, const struct batch_peers *peers,
    const struct batch_listener *listener, struct batch **ret_batch,
    struct pgripple_error *err)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return pgripple_error_nomem(err);
	batch->peers = *peers;
	batch->listener = *listener;
	batch->pause = evtimer_new(base, on_pause_over, batch);
	if (batch->pause == NULL) {
		free(batch);
		return pgripple_error_nomem(err);
	}
	*ret_batch = batch;
	return 0;
}

void
batch_free(struct batch *batch)
{
	if (batch == NULL)
		return;
	batch_forget_prefetched(batch);
	forget(batch);
	event_free(batch->pause);
	free(batch);
}

void
batch_configure(struct batch *batch, const struct settings *settings,
    const struct pgripple_graph *graph, const struct catalog *catalog)
{
	batch_forget_prefetched(batch);
	batch->settings = settings;
	batch->graph = graph;
	batch->catalog = catalog;
	backoff_init(
	    &batch->backoff, FIRST_PAUSE_MS, settings->retry_max_ms, STABLE_MS);
}

bool
batch_is_idle(const struct batch *batch)
{
	return batch->state == BATCH_IDLE;
}

bool
batch_is_under_way(const struct batch *batch)
{
	return batch->state != BATCH_IDLE && batch->state != BATCH_PAUSING;
}

void
batch_start(struct batch *batch, int64_t above_id)
{
	batch->above_id = above_id;
	batch_step(batch, BATCH_ON_START);
}

int64_t
batch_step_age_us(const struct batch *batch)
{
	return batch_is_under_way(batch)
		   ? clock_monotonic_us() - batch->entered_us
		   : 0;
}
