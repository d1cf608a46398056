/*
 * The tasks that a batch leaves: its long work, large tags that are still to be
 * drained, and what is to be repeated.
 *
 * Quick repeats share rows, so that a change of 100,000 rows leaves some
 * hundred tasks and not as many as it touched.  For the case that even these
 * are too many the whole models are named as well, and Postgres chooses
 * (outbox.c): only it can tell how many tasks wait, in the same statement that
 * adds them.
 *
 * A fine repeat that waits is put off when the same is asked for again, which
 * is safe: what it repeats has just been done.  Not so a coarse one: other rows
 * may be behind it.  So it is put off within a slot of time only, and those of
 * the next slot wait beside it.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "core/operation.h"
#include "flow/batch_private.h"
#include "flow/targets.h"

/* Of one task. */
#define MAX_OPERATIONS 1000
#define MAX_BYTES ((size_t)64 << 10)

#define SLOT_US (INT64_C(60) * 1000000)

const char *
batch_keep_json(struct batch *batch, struct buf *buf)
{
	CLEANUP(buf_done) struct buf ascii = BUF_INIT;
	bool failed = buf->failed;

	if (!failed)
		json_write_ascii(&ascii, buf->bytes, buf->n);
	buf_done(buf);
	return failed || ascii.failed
		   ? NULL
		   : arena_copy(batch->arena, ascii.bytes, ascii.n);
}

static int
add_task(struct batch *batch, struct buf *text, struct outbox_task task)
{
	task.operation = batch_keep_json(batch, text);
	if (task.operation == NULL)
		return -1;
	batch->tasks[batch->n_tasks++] = task;
	return 0;
}

static const char *
target_name(
    const struct batch *batch, const struct pgripple_operation *operation)
{
	return targets_name(batch->peers.targets, operation->target);
}

static int
add_long(struct batch *batch, const struct pgripple_operation *operation)
{
	struct buf text = BUF_INIT;

	operation_print(&text, operation, target_name(batch, operation));
	return add_task(
	    batch, &text, (struct outbox_task){.room = OUTBOX_ALWAYS});
}

/* The plan's own, drains, and what is postponed. */
static int
add_all_long(struct batch *batch)
{
	const struct pgripple_plan *plan = &batch->plan;

	for (size_t i = plan->n_now; i < plan->n_operations; i++)
		if (add_long(batch, &plan->operations[i]) < 0)
			return -1;
	for (size_t i = 0; i < batch->n_drains; i++)
		if (add_long(batch, &batch->drains[i]) < 0)
			return -1;
	for (size_t i = 0; i < batch->n_postponed; i++)
		if (add_long(batch, batch->postponed[i]) < 0)
			return -1;
	return 0;
}

/* How many of the quick repeats at the front share a row. */
static size_t
print_list(struct buf *text, const struct pgripple_repeat *repeats, size_t n,
    const struct operation_repeat *repeat)
{
	size_t i = 0;

	operation_open_list(text);
	do
		operation_add_to_list(text, repeats[i++].operation);
	while (i < n && i < MAX_OPERATIONS && text->n < MAX_BYTES &&
	       repeats[i].after_ms == repeat->after_ms &&
	       repeats[i].operation->target == repeats->operation->target &&
	       repeats[i].operation->kind < PGRIPPLE_OPERATION_SCAN);
	operation_close_list(text, repeat);
	return i;
}

static int
add_repeats(struct batch *batch, const struct pgripple_plan *plan, int64_t slot,
    enum outbox_room room)
{
	size_t i = 0;

	while (i < plan->n_repeats) {
		const struct pgripple_repeat *next = &plan->repeats[i];
		struct operation_repeat repeat = {
		    next->after_ms, slot, target_name(batch, next->operation)};
		struct buf text = BUF_INIT;

		if (next->operation->kind == PGRIPPLE_OPERATION_SCAN) {
			operation_print_repeat(&text, next->operation, &repeat);
			i++;
		} else {
			i += print_list(
			    &text, next, plan->n_repeats - i, &repeat);
		}
		if (add_task(batch, &text,
			(struct outbox_task){
			    .after_ms = next->after_ms, .room = room}) < 0)
			return -1;
	}
	return 0;
}

int
batch_print_tasks(struct batch *batch, struct pgripple_error *err)
{
	const struct pgripple_plan *plan = &batch->plan;
	struct pgripple_plan coarse = {0};
	size_t n;

	if (settings_observes(batch->settings))
		return 0;
	if (plan->n_repeats > 0 &&
	    pgripple_plan_coarse_repeats(batch->walk, &coarse, err) < 0)
		return -1;
	n = plan->n_operations - plan->n_now + batch->n_drains +
	    batch->n_postponed + plan->n_repeats + coarse.n_repeats;
	batch->tasks = arena_array(batch->arena, n, sizeof(*batch->tasks));
	if (batch->tasks == NULL || add_all_long(batch) < 0 ||
	    add_repeats(batch, plan, 0, OUTBOX_IF_ROOM) < 0 ||
	    add_repeats(
		batch, &coarse, clock_wall_us() / SLOT_US, OUTBOX_IF_FULL) < 0)
		return pgripple_error_nomem(err);
	return 0;
}
