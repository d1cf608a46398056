/*
 * Applying a batch: its operations to Redis, to all targets at once, and what
 * Redis left undone.
 *
 * A large tag leaves a task that drains it.  An operation that Redis refuses
 * for good holds nobody up: the changes that led to it are rejected, with
 * Redis's words, and can be retried; all their other operations were done.
 */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "core/operation.h"
#include "flow/batch_private.h"
#include "flow/leftovers.h"
#include "flow/targets.h"
#include "observe/log.h"
#include "redis/apply.h"

/* What is left to do of large tags. */

static int
add_drain(struct batch *batch, const struct pgripple_operation *tag,
    bool is_aside, struct pgripple_error *err)
{
	CLEANUP(buf_done) struct buf key = BUF_INIT;
	struct pgripple_operation *drain = &batch->drains[batch->n_drains];

	if (is_aside)
		redis_tag_aside(&key, batch_prefix(batch, tag->target),
		    tag->key, tag->key_length);
	else
		buf_add(&key, tag->key, tag->key_length);
	*drain = (struct pgripple_operation){
	    .kind = PGRIPPLE_OPERATION_DRAIN,
	    .target = tag->target,
	    .key = arena_copy(batch->arena, buf_string(&key), key.n),
	    .key_length = key.n,
	};
	if (key.failed || drain->key == NULL)
		return pgripple_error_nomem(err);
	batch->n_drains++;
	return 0;
}

/* Beside those of other parts. */
static int
reserve_drains(struct batch *batch, size_t n, struct pgripple_error *err)
{
	struct pgripple_operation *drains = arena_array(
	    batch->arena, batch->n_drains + n, sizeof(*batch->drains));

	if (drains == NULL)
		return pgripple_error_nomem(err);
	if (batch->n_drains > 0)
		memcpy(drains, batch->drains,
		    batch->n_drains * sizeof(*batch->drains));
	batch->drains = drains;
	return 0;
}

static int
take_leftovers(const struct batch_part *part,
    const struct redis_apply_result *result, struct pgripple_error *err)
{
	struct batch *batch = part->batch;

	if (reserve_drains(batch, 2 * result->n_leftovers, err) < 0)
		return -1;
	for (size_t i = 0; i < result->n_leftovers; i++) {
		const struct redis_leftover *left = &result->leftovers[i];
		const struct pgripple_operation *tag =
		    &part->operations[left->operation];

		if (left->key != NULL &&
		    leftovers_add(batch->arena, result, left, tag,
			batch->drains, &batch->n_drains, err) < 0)
			return -1;
		if ((left->is_aside && add_drain(batch, tag, true, err) < 0) ||
		    (left->is_itself && add_drain(batch, tag, false, err) < 0))
			return -1;
	}
	return 0;
}

/* What Redis refused. */

struct blame {
	const struct batch_part *part;
	const struct redis_apply_result *result;
	bool *is_blamed; /* for each rejection */
	const char *reason; /* of the change at hand */
	bool is_short_of_memory;
};

static void
on_operation(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule UNUSED)
{
	struct blame *blame = context;

	for (size_t i = 0; i < blame->result->n_rejections; i++) {
		const struct redis_rejection *rejection =
		    &blame->result->rejections[i];

		if (operation_equals(operation,
			&blame->part->operations[rejection->operation])) {
			blame->is_blamed[i] = true;
			blame->reason = rejection->reason;
		}
	}
}

static void
on_touch(void *context, const struct pgripple_touch *touch,
    const struct pgripple_path *path UNUSED)
{
	struct blame *blame = context;

	if (pgripple_plan_explain(touch, on_operation, blame, NULL) < 0)
		blame->is_short_of_memory = true;
}

/* Its row is not deleted but moved.  A mark that must stay is not among them:
 * it comes again anyway. */
static int
reject_change(struct batch *batch, const struct pgripple_change *change,
    const char *reason, struct pgripple_error *err)
{
	size_t n = 0;

	while (n < batch->n_ids && batch->ids[n] != change->id)
		n++;
	if (n == batch->n_ids)
		return 0;
	batch->ids[n] = batch->ids[--batch->n_ids];
	reason = arena_strdup(batch->arena, reason);
	if (reason == NULL)
		return pgripple_error_nomem(err);
	batch->rejections[batch->n_rejections++] =
	    (struct outbox_rejection){change->id, reason};
	log_event(LOG_LEVEL_ERROR, "change.rejected", log_int("id", change->id),
	    log_string("error", reason),
	    log_string("hint",
		"Nothing else of the change was left undone; it was moved to "
		"the table \"rejected\", for \"pgripple rejected retry\"."));
	return 0;
}

static int
blame_changes(struct blame *blame, struct pgripple_error *err)
{
	struct batch *batch = blame->part->batch;

	for (size_t i = 0; i < batch->n_changes; i++) {
		struct pgripple_path *paths;

		blame->reason = NULL;
		if (pgripple_walk_report(
			batch->walk, i, on_touch, blame, &paths, err) < 0)
			return -1;
		if (blame->is_short_of_memory)
			return pgripple_error_nomem(err);
		if (blame->reason != NULL &&
		    reject_change(
			batch, &batch->changes[i], blame->reason, err) < 0)
			return -1;
	}
	return 0;
}

/* A report has a bound: what none of them names may come from any change. */
static int
blame_all(struct blame *blame, struct pgripple_error *err)
{
	struct batch *batch = blame->part->batch;

	for (size_t i = 0; i < blame->result->n_rejections; i++)
		for (size_t j = 0; !blame->is_blamed[i] && j < batch->n_changes;
		     j++)
			if (reject_change(batch, &batch->changes[j],
				blame->result->rejections[i].reason, err) < 0)
				return -1;
	return 0;
}

static int
take_rejections(const struct batch_part *part,
    const struct redis_apply_result *result, struct pgripple_error *err)
{
	struct blame blame = {.part = part, .result = result};
	struct batch *batch = part->batch;

	if (result->n_rejections == 0)
		return 0;
	blame.is_blamed = arena_array(
	    batch->arena, result->n_rejections, sizeof(*blame.is_blamed));
	if (blame.is_blamed == NULL)
		return pgripple_error_nomem(err);
	/* That of a ping is nobody's. */
	for (size_t i = 0; i < result->n_rejections; i++)
		blame.is_blamed[i] =
		    result->rejections[i].operation < batch->n_pings;
	if (blame_changes(&blame, err) < 0)
		return -1;
	return blame_all(&blame, err);
}

/* Parts.  The batch goes on, or fails, when none is under way any more: their
 * operations are borrowed. */

static void
fail_part(struct batch *batch, const struct pgripple_error *err)
{
	if (!batch->has_failed)
		batch->part_err = *err;
	batch->has_failed = true;
}

static void
go_on(struct batch *batch)
{
	struct pgripple_error err;

	if (batch->n_parts_under_way > 0)
		return;
	if (batch->has_failed) {
		err = batch->part_err; /* the batch is about to forget it */
		batch_fail(batch, &err);
		return;
	}
	batch->applied_wall_us = clock_wall_us();
	batch_step(batch, BATCH_ON_APPLIED);
}

static void
on_applied(void *context, enum redis_apply_outcome outcome,
    const struct redis_apply_result *result,
    const struct pgripple_error *apply_err)
{
	struct batch_part *part = context;
	struct batch *batch = part->batch;
	struct pgripple_error err;

	batch->n_parts_under_way--;
	replay_note(targets_replay(batch->peers.targets, part->target),
	    &part->mark, outcome, result);
	targets_note(batch->peers.targets, part->target, outcome);
	if (outcome != REDIS_APPLY_DONE)
		fail_part(batch, apply_err);
	else if (take_leftovers(part, result, &err) < 0 ||
		 take_rejections(part, result, &err) < 0)
		fail_part(batch, &err);
	go_on(batch);
}

/* Sending. */

static int
send_part(struct batch_part *part, const char *name, struct pgripple_error *err)
{
	struct batch *batch = part->batch;
	struct targets *targets = batch->peers.targets;
	const struct redis_apply_options options = {
	    .nonce = name,
	    .tag_members = batch->settings->limits.tag_members,
	    .mark = &part->mark.redis,
	};

	if (replay_prepare(targets_replay(targets, part->target), name,
		&part->mark, err) < 0)
		return -1;
	return redis_apply(targets_connection(targets, part->target),
	    part->operations, part->n_operations, &options, on_applied, part,
	    err);
}

static void
send_parts(struct batch *batch)
{
	struct pgripple_error err;
	char name[MEMORY_NAME];

	targets_name_batch(batch->peers.targets, name);
	for (size_t i = 0; i < batch->n_parts && !batch->has_failed; i++) {
		if (send_part(&batch->parts[i], name, &err) < 0)
			fail_part(batch, &err);
		else
			batch->n_parts_under_way++;
	}
	go_on(batch);
}

static void
only_observe(struct batch *batch)
{
	struct pgripple_error err;

	if (batch_make_plan(batch, 0, &err) < 0) {
		batch_fail(batch, &err);
		return;
	}
	batch->applied_wall_us = clock_wall_us();
	batch_step(batch, BATCH_ON_APPLIED);
}

void
batch_apply(struct batch *batch)
{
	struct pgripple_error err;

	if (settings_observes(batch->settings))
		only_observe(batch);
	else if (batch_share_out(batch, &err) < 0)
		batch_fail(batch, &err);
	else
		send_parts(batch);
}
