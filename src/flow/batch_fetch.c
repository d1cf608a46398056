/*
 * The beginning of a batch: fetching, and decoding what came.
 */
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "flow/batch_private.h"
#include "observe/log.h"
#include "observe/metrics.h"

static int
prepare(struct batch *batch, const struct outbox_row *rows, size_t n_rows,
    struct pgripple_error *err)
{
	batch->walk = batch_limited_walk(batch);
	if (batch->walk == NULL)
		return pgripple_error_nomem(err);
	batch->arena = pgripple_walk_arena(batch->walk);
	batch->ids = arena_array(batch->arena, n_rows, sizeof(*batch->ids));
	batch->rejections =
	    arena_array(batch->arena, n_rows, sizeof(*batch->rejections));
	batch->changes =
	    arena_array(batch->arena, n_rows, sizeof(*batch->changes));
	batch->pings = arena_array(batch->arena, n_rows, sizeof(*batch->pings));
	batch->lsn = arena_strdup(batch->arena, rows[0].lsn);
	if (batch->lsn == NULL || batch->ids == NULL ||
	    batch->rejections == NULL || batch->changes == NULL ||
	    batch->pings == NULL)
		return pgripple_error_nomem(err);
	return 0;
}

static int
reject(struct batch *batch, const struct outbox_row *row,
    const struct pgripple_error *why, struct pgripple_error *err)
{
	struct outbox_rejection *rejection =
	    &batch->rejections[batch->n_rejections];

	rejection->id = row->id;
	rejection->reason = arena_strdup(batch->arena, why->text);
	if (rejection->reason == NULL)
		return pgripple_error_nomem(err);
	batch->n_rejections++;
	log_event(LOG_LEVEL_ERROR, "change.rejected", log_int("id", row->id),
	    log_string("error", why->text),
	    log_string("hint",
		"The row was moved to the table \"rejected\"; nothing was "
		"invalidated for it."));
	return 0;
}

static void
warn_of_change(
    const struct pgripple_change *change, const char *event, const char *reason)
{
	log_event(LOG_LEVEL_WARNING, event, log_int("id", change->id),
	    log_string("table", change->table->spelled),
	    log_string("reason", reason));
}

/* Changes that the trigger wrote once instead of many. */
static bool
is_mark(const struct pgripple_change *change)
{
	static const char *const reasons[] = {
	    "outbox limit",
	    "disabled",
	    "enabled",
	};

	for (size_t i = 0; change->whole && i < N_ELEMENTS(reasons); i++)
		if (strcmp(change->whole_reason, reasons[i]) == 0)
			return true;
	return false;
}

static int
take_change(struct batch *batch, const struct outbox_row *row,
    struct pgripple_change *change, struct pgripple_error *err)
{
	batch->ids[batch->n_ids++] = row->id;
	change->id = row->id;
	change->xid = row->xid;
	change->wall_us = row->wall_us;
	change->commit_us = row->commit_us;
	if (change->op == PGRIPPLE_OP_PING) {
		batch->pings[batch->n_pings++] =
		    (struct batch_ping){change->ping_key, row->wall_us};
		return 0;
	}
	if (change->drift)
		warn_of_change(change, "change.drift",
		    "the table's columns are not those of the install");
	batch->n_changes++;
	batch->has_marks |= is_mark(change);
	return pgripple_walk_add(batch->walk, change, err);
}

static int
take_row(struct batch *batch, const struct outbox_row *row,
    struct pgripple_error *err)
{
	struct pgripple_change *change = &batch->changes[batch->n_changes];
	struct pgripple_error why;
	int outcome = pgripple_change_decode(
	    batch->arena, batch->graph, row->change, row->length, change, &why);

	switch (outcome) {
	case PGRIPPLE_DECODE_UNWATCHED:
		batch->ids[batch->n_ids++] = row->id;
		log_event(LOG_LEVEL_DEBUG, "change.unwatched",
		    log_int("id", row->id));
		return 0;
	case PGRIPPLE_DECODE_ESCALATED:
		change->id = row->id;
		metrics_add(METRIC_ESCALATIONS, "not understood", NULL, 1);
		warn_of_change(change, "change.escalated", why.text);
		return take_change(batch, row, change, err);
	case PGRIPPLE_DECODE_DONE:
		return take_change(batch, row, change, err);
	}
	if (why.kind == PGRIPPLE_ERROR_INPUT)
		return reject(batch, row, &why, err);
	*err = why;
	return -1;
}

/* Whether the batch is full, so that there is more. */
static bool
measure(struct batch *batch, const struct outbox_row *rows, size_t n_rows)
{
	int64_t max_rows = batch->settings->limits.batch_rows;
	int64_t max_bytes = batch->settings->limits.batch_bytes;
	size_t n_bytes = 0;

	for (size_t i = 0; i < n_rows; i++)
		n_bytes += rows[i].length;
	batch_count_fetched(batch, n_rows, n_bytes);
	batch->is_small =
	    (int64_t)n_rows < max_rows / 4 && (int64_t)n_bytes < max_bytes / 4;
	return (int64_t)n_rows >= max_rows || (int64_t)n_bytes >= max_bytes;
}

void
batch_take_rows(struct batch *batch, const struct outbox_row *rows,
    size_t n_rows, int64_t fetched_wall_us)
{
	struct pgripple_error err;
	int result;

	if (measure(batch, rows, n_rows))
		batch_prefetch(batch, rows[n_rows - 1].id);
	batch->fetched_wall_us = fetched_wall_us;
	batch->session_number = session_number(batch->peers.work);
	batch->listener.on_fetched(batch->listener.context, rows[0].wall_us);
	result = prepare(batch, rows, n_rows, &err);
	for (size_t i = 0; i < n_rows && result == 0; i++) {
		if (i > 0 && batch_has_enough(batch)) {
			/* Those behind come next. */
			batch_forget_prefetched(batch);
			batch->is_small = false;
			break;
		}
		result = take_row(batch, &rows[i], &err);
	}
	if (result < 0)
		batch_fail(batch, &err);
	else
		batch_step(batch, BATCH_ON_FETCHED);
}

static void
on_fetched(void *context, enum session_outcome outcome,
    const struct outbox_row *rows, size_t n_rows,
    const struct pgripple_error *err)
{
	struct batch *batch = context;

	if (outcome != SESSION_DONE)
		batch_fail(batch, err);
	else if (n_rows == 0)
		batch_step(batch, BATCH_ON_EMPTY);
	else
		batch_take_rows(batch, rows, n_rows, clock_wall_us());
}

struct outbox_bounds
batch_bounds(const struct batch *batch, int64_t above_id)
{
	struct outbox_bounds bounds = {
	    .above_id = above_id,
	    .max_rows = batch->settings->limits.batch_rows,
	    .max_bytes = batch->settings->limits.batch_bytes,
	    .with_lsn = batch->graph->waits_for_replicas,
	};

	if (bounds.max_bytes > (int64_t)batch->room.changes)
		bounds.max_bytes = (int64_t)batch->room.changes;
	return bounds;
}

void
batch_fetch(struct batch *batch)
{
	struct outbox_bounds bounds;
	struct pgripple_error err;

	batch_measure_room(batch);
	if (batch_take_prefetched(batch))
		return;
	bounds = batch_bounds(batch, batch->above_id);
	if (outbox_fetch(batch->peers.work, batch->settings->postgres.schema,
		&bounds, on_fetched, batch, &err) < 0)
		batch_fail(batch, &err);
}
