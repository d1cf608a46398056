/*
 * The end of a batch in Postgres: marks that must stay are set aside, the
 * others acknowledged, together with the tasks and answers that it leaves.
 */
#include "base/arena.h"
#include "base/json_write.h"
#include "flow/batch_private.h"
#include "flow/targets.h"
#include "observe/log.h"
#include "observe/metrics.h"

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
tell_room(struct batch *batch, bool is_full)
{
	if (is_full)
		metrics_add(METRIC_LIMITS, "tasks.max_rows", NULL, 1);
	if (is_full && !batch->was_full)
		log_event(LOG_LEVEL_WARNING, "tasks.full",
		    log_int("rows", batch->settings->tasks.max_rows),
		    log_string("hint",
			"Until there is room whole models are repeated "
			"instead of single operations."));
	batch->was_full = is_full;
}

/* What was, or may have been, acknowledged: Redis must never be without it
 * again.  What pings did is of no use to anybody any more. */
static void
remember(const struct batch *batch)
{
	for (size_t i = 0; i < batch->n_parts; i++) {
		const struct batch_part *part = &batch->parts[i];

		replay_remember(
		    targets_replay(batch->peers.targets, part->target),
		    &part->mark, part->operations + batch->n_pings,
		    part->n_operations - batch->n_pings);
	}
}

static void
fail_acknowledgement(struct batch *batch, enum session_outcome outcome,
    bool is_claimed_by_other, const struct pgripple_error *err)
{
	if (outcome == SESSION_LOST)
		remember(batch);
	batch_fail(batch, err);
	if (is_claimed_by_other)
		batch->listener.on_claimed_by_other(batch->listener.context);
	if (outcome == SESSION_LOST)
		batch->listener.on_in_doubt(batch->listener.context);
}

static void
on_acknowledged(void *context, enum session_outcome outcome,
    const struct outbox_acknowledged *acknowledged,
    const struct pgripple_error *err)
{
	struct batch *batch = context;

	if (outcome != SESSION_DONE) {
		fail_acknowledgement(
		    batch, outcome, acknowledged->is_claimed_by_other, err);
		return;
	}
	remember(batch);
	if (acknowledged->n_dropped > 0)
		metrics_add(METRIC_LIMITS, "limits.rejected_rows", NULL,
		    (int64_t)acknowledged->n_dropped);
	if (batch->postponed_targets != 0) {
		batch->n_waiting = acknowledged->n_waiting;
		batch->n_waiting_bytes = acknowledged->n_waiting_bytes;
	}
	if (batch->n_tasks > 0)
		tell_room(batch, acknowledged->is_full);
	batch_step(
	    batch, batch->n_kept > 0 ? BATCH_ON_KEPT : BATCH_ON_ACKNOWLEDGED);
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
	return batch_keep_json(batch, &buf);
}

static int
print_pongs(
    struct batch *batch, const char ***ret_pongs, struct pgripple_error *err)
{
	const char **pongs =
	    arena_array(batch->arena, batch->n_pings, sizeof(*pongs));

	if (pongs == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < batch->n_pings; i++) {
		pongs[i] = print_pong(batch, &batch->pings[i]);
		if (pongs[i] == NULL)
			return pgripple_error_nomem(err);
	}
	*ret_pongs = pongs;
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

static int
state_marks(struct batch *batch, struct state_mark **ret_marks,
    struct pgripple_error *err)
{
	struct state_mark *marks =
	    arena_array(batch->arena, batch->n_parts, sizeof(*marks));

	if (marks == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < batch->n_parts; i++) {
		const struct batch_part *part = &batch->parts[i];

		if (replay_state_mark(
			targets_replay(batch->peers.targets, part->target),
			&part->mark, &marks[i], err) < 0)
			return -1;
	}
	*ret_marks = marks;
	return 0;
}

static int
submit_acknowledgement(struct batch *batch, struct pgripple_error *err)
{
	const struct settings *settings = batch->settings;
	struct outbox_acknowledgement acknowledgement = {
	    .ids = batch->ids,
	    .n_ids = batch->n_ids,
	    .rejections = batch->rejections,
	    .n_rejections = batch->n_rejections,
	    .max_rejected = settings->limits.rejected_rows,
	    .tasks = batch->tasks,
	    .n_tasks = batch->n_tasks,
	    .max_tasks = settings->tasks.max_rows,
	    .lsn = batch->lsn,
	    .replica_timeout_ms = settings->postgres.replica_timeout_ms,
	    .count_tasks_to = batch->postponed_targets != 0
				  ? settings->limits.postponed_tasks
				  : 0,
	    .n_pongs = batch->n_pings,
	};
	const char **pongs = NULL;
	struct state_mark *marks = NULL;

	if (print_pongs(batch, &pongs, err) < 0 ||
	    state_marks(batch, &marks, err) < 0)
		return -1;
	acknowledgement.state = (struct state_change){
	    targets_claim(batch->peers.targets)->owner, marks, batch->n_parts};
	acknowledgement.pongs = pongs;
	span_transactions(batch, &acknowledgement);
	return outbox_acknowledge(batch->peers.work, settings->postgres.schema,
	    &acknowledgement, on_acknowledged, batch, err);
}

void
batch_acknowledge(struct batch *batch)
{
	struct pgripple_error err;

	if (check_session(batch, &err) < 0 ||
	    batch_print_tasks(batch, &err) < 0 ||
	    submit_acknowledgement(batch, &err) < 0)
		batch_fail(batch, &err);
}
