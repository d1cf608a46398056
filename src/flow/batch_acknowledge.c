/*
 * The end of a batch in Postgres: marks that must stay are set aside, the
 * others acknowledged, together with the tasks and answers that it leaves.
 */
#include "base/arena.h"
#include "base/json_write.h"
#include "core/operation.h"
#include "flow/batch_private.h"
#include "flow/targets.h"

/* Marks. */

static bool
is_among(int64_t id, const int64_t *ids, size_t n_ids)
{
	for (size_t i = 0; i < n_ids; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Marks that must stay are applied all the same, and again later. */
static void
on_claimed(void *context, enum session_outcome outcome, const int64_t *kept,
    size_t n_kept, const struct pgripple_error *err)
{
	struct batch *batch = context;
	size_t n = 0;

	if (outcome != SESSION_DONE) {
		batch_fail(batch, err);
		return;
	}
	for (size_t i = 0; i < batch->n_ids; i++)
		if (!is_among(batch->ids[i], kept, n_kept))
			batch->ids[n++] = batch->ids[i];
	batch->n_kept = batch->n_ids - n;
	batch->n_ids = n;
	batch_step(batch, BATCH_ON_CLAIMED);
}

void
batch_claim(struct batch *batch)
{
	struct pgripple_error err;

	if (outbox_claim(batch->peers.work, batch->settings->postgres.schema,
		batch->ids, batch->n_ids, on_claimed, batch, &err) < 0)
		batch_fail(batch, &err);
}

/* Acknowledging. */

static void
on_acknowledged(void *context, enum session_outcome outcome,
    const struct outbox_acknowledged *acknowledged,
    const struct pgripple_error *err)
{
	struct batch *batch = context;

	if (outcome == SESSION_DONE && batch->postponed_targets != 0)
		batch->n_waiting = acknowledged->n_waiting;

	if (outcome == SESSION_DONE)
		batch_step(batch,
		    batch->n_kept > 0 ? BATCH_ON_KEPT : BATCH_ON_ACKNOWLEDGED);
	else
		batch_fail(batch, err);
}

/* The buffer's JSON, moved to the batch's arena; in ASCII, for the graph may
 * hold characters that the database's encoding lacks. */
static const char *
keep(struct batch *batch, struct buf *buf)
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

/* The plan's own tasks first. */
static const struct pgripple_operation *
task_number(const struct batch *batch, size_t number)
{
	size_t n = batch->plan.n_operations - batch->plan.n_now;

	if (number < n)
		return &batch->plan.operations[batch->plan.n_now + number];
	number -= n;
	return number < batch->n_drains
		   ? &batch->drains[number]
		   : batch->postponed[number - batch->n_drains];
}

static const char *
print_task(struct batch *batch, size_t number)
{
	const struct pgripple_operation *task = task_number(batch, number);
	struct buf buf = BUF_INIT;

	operation_print(
	    &buf, task, targets_name(batch->peers.targets, task->target));
	return keep(batch, &buf);
}

static const char *
print_pong(struct batch *batch, const struct batch_ping *ping)
{
	struct buf buf = BUF_INIT;

	json_write_open(&buf, '{');
	json_write_member(&buf, "key", ping->key);
	json_write_member_int(
	    &buf, "doorbell_us", batch->fetched_wall_us - ping->wall_us);
	json_write_member_int(
	    &buf, "redis_us", batch->applied_wall_us - batch->fetched_wall_us);
	if (settings_observes(batch->settings)) {
		json_write_key(&buf, "observed");
		json_write_bool(&buf, true);
	}
	json_write_close(&buf, '}');
	return keep(batch, &buf);
}

static int
print_tasks_and_pongs(struct batch *batch,
    struct outbox_acknowledgement *acknowledgement, struct pgripple_error *err)
{
	size_t n_tasks = batch_n_tasks(batch);
	const char **texts =
	    arena_array(batch->arena, n_tasks + batch->n_pings, sizeof(*texts));

	if (texts == NULL)
		return pgripple_error_nomem(err);
	acknowledgement->tasks = texts;
	acknowledgement->n_tasks = n_tasks;
	acknowledgement->pongs = texts + n_tasks;
	acknowledgement->n_pongs = batch->n_pings;
	for (size_t i = 0; i < n_tasks + batch->n_pings; i++) {
		texts[i] = i < n_tasks
			       ? print_task(batch, i)
			       : print_pong(batch, &batch->pings[i - n_tasks]);
		if (texts[i] == NULL)
			return pgripple_error_nomem(err);
	}
	return 0;
}

/* After a failover the new primary may lack rows that were fetched, and give
 * their ids to others. */
static int
check_session(const struct batch *batch, struct pgripple_error *err)
{
	if (session_number(batch->peers.work) == batch->session_number)
		return 0;
	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "the connection that fetched the batch was lost");
}

/* Of all changes, though not every one made a task; a mark hides transactions
 * that nobody knows. */
static void
span_transactions(
    const struct batch *batch, struct outbox_acknowledgement *acknowledgement)
{
	if (batch->has_marks)
		return;
	acknowledgement->from_xid = UINT64_MAX >> 1;
	for (size_t i = 0; i < batch->n_changes; i++) {
		uint64_t xid = batch->changes[i].xid;

		if (xid < acknowledgement->from_xid)
			acknowledgement->from_xid = xid;
		if (xid > acknowledgement->to_xid)
			acknowledgement->to_xid = xid;
	}
}

void
batch_acknowledge(struct batch *batch)
{
	struct outbox_acknowledgement acknowledgement = {
	    .ids = batch->ids,
	    .n_ids = batch->n_ids,
	    .rejections = batch->rejections,
	    .n_rejections = batch->n_rejections,
	    .max_rejected = batch->settings->limits.rejected_rows,
	    .count_tasks_to = batch->postponed_targets != 0
				  ? batch->settings->limits.postponed_tasks
				  : 0,
	};
	struct pgripple_error err;

	span_transactions(batch, &acknowledgement);
	if (check_session(batch, &err) < 0 ||
	    print_tasks_and_pongs(batch, &acknowledgement, &err) < 0 ||
	    outbox_acknowledge(batch->peers.work,
		batch->settings->postgres.schema, &acknowledgement,
		on_acknowledged, batch, &err) < 0)
		batch_fail(batch, &err);
}
