/*
 * The slices of a task: what is sent to Redis, and what its answers mean.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "flow/leftovers.h"
#include "flow/targets.h"
#include "flow/tasks_private.h"
#include "observe/log.h"
#include "redis/apply.h"

/* Some ten microseconds of Redis: fewer would not be felt by anybody. */
#define MIN_SCANNED 50
#define MIN_DRAINED 10

/* Of the target of the task under way. */
static struct redis_connection *
connection(const struct tasks *tasks)
{
	return targets_connection(tasks->targets, tasks->target);
}

static bool
is_postponed(const struct tasks *tasks)
{
	return targets_state(tasks->targets, tasks->target) == TARGET_POSTPONED;
}

static void
start_over(struct tasks *tasks)
{
	(void)snprintf(tasks->cursor, sizeof(tasks->cursor), "0");
}

static bool
scans(const struct tasks *tasks)
{
	return tasks->n_operations > 0 &&
	       tasks->operations->kind == PGRIPPLE_OPERATION_SCAN;
}

int64_t
tasks_max_count(const struct tasks *tasks)
{
	return scans(tasks) ? tasks->settings->tasks.scan_count
			    : tasks->settings->limits.tag_members;
}

/* A scan looks at keys, which is quicker than removing them. */
static void
set_pace(struct tasks *tasks)
{
	const struct settings *settings = tasks->settings;

	pace_start(&tasks->pace, scans(tasks) ? MIN_SCANNED : MIN_DRAINED,
	    tasks_max_count(tasks), settings->tasks.scan_pause_ms * 1000,
	    settings->tasks.spread_ms * 1000, 0);
	tasks->is_measured = false;
}

void
tasks_begin(struct tasks *tasks)
{
	const struct pgripple_operation *first = &tasks->first;

	start_over(tasks);
	tasks->generation =
	    replay_generation(targets_replay(tasks->targets, tasks->target));
	set_pace(tasks);
	tasks->n_removed = 0;
	tasks->started_us = clock_monotonic_us();
	log_event(LOG_LEVEL_DEBUG, "task.started", log_int("id", tasks->id),
	    log_string("do", pgripple_operation_kind_name(first->kind)),
	    log_string("key", log_shows_values() ? first->key : NULL),
	    log_int("operations",
		(int64_t)(tasks->n_operations + tasks->n_messages)));
}

static void
fail_slice(struct tasks *tasks, enum redis_apply_outcome outcome,
    const struct pgripple_error *err)
{
	targets_note(tasks->targets, tasks->target, outcome);
	if (outcome == REDIS_APPLY_LOST)
		start_over(tasks);
	log_error(LOG_LEVEL_WARNING, "task.failed", err);
	tasks_step(tasks,
	    is_postponed(tasks) ? TASKS_ON_POSTPONED : TASKS_ON_SLICE_FAILED);
}

static void
end_slice(struct tasks *tasks, bool is_last)
{
	backoff_succeed(&tasks->backoff);
	targets_note(tasks->targets, tasks->target, REDIS_APPLY_DONE);
	tasks->pause_us =
	    pace_step(&tasks->pace, clock_monotonic_us() - tasks->sent_us);
	tasks_step(tasks, is_last ? TASKS_ON_LAST_SLICE : TASKS_ON_SLICE);
}

/* When nothing is left of the operations at hand. */
static bool
has_next(struct tasks *tasks)
{
	if (tasks->n_scans > 0 && !tasks->quick) {
		start_over(tasks);
		tasks->operations = &tasks->scans[--tasks->n_scans];
		tasks->n_operations = 1;
		set_pace(tasks);
		return true;
	}
	tasks->operations = tasks->messages;
	tasks->n_operations = tasks->n_messages;
	tasks->n_messages = 0;
	return tasks->n_operations > 0;
}

static void
on_scanned(void *context, enum redis_apply_outcome outcome,
    const struct redis_scan_result *result, const struct pgripple_error *err)
{
	struct tasks *tasks = context;

	if (outcome != REDIS_APPLY_DONE) {
		fail_slice(tasks, outcome, err);
		return;
	}
	tasks->n_removed += result->n_removed;
	if (result->reason != NULL)
		tasks_reject(tasks, result->reason);
	(void)snprintf(
	    tasks->cursor, sizeof(tasks->cursor), "%s", result->next_cursor);
	end_slice(tasks, result->is_last && !has_next(tasks));
}

/* Drains that have not come to their end stay, each once; what rows of
 * django-cacheops left comes after them. */
static int
take_leftovers(struct tasks *tasks, const struct redis_apply_result *result,
    struct pgripple_error *err)
{
	struct pgripple_operation *more =
	    arena_array(tasks->arena, result->n_leftovers, sizeof(*more));
	struct pgripple_operation *scans =
	    arena_array(tasks->arena, result->n_leftovers, sizeof(*scans));
	size_t n = 0, n_scans = 0;
	bool is_apart;

	if (more == NULL || scans == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < result->n_leftovers; i++) {
		const struct redis_leftover *left = &result->leftovers[i];
		const struct pgripple_operation *operation =
		    &tasks->operations[left->operation];

		if (left->key == NULL &&
		    (i == 0 || left->operation != left[-1].operation))
			more[n++] = *operation;
	}
	for (size_t i = 0; i < result->n_leftovers; i++) {
		const struct redis_leftover *left = &result->leftovers[i];

		is_apart = left->is_pattern || tasks->quick;
		if (left->key != NULL &&
		    leftovers_add(tasks->arena, result, left,
			&tasks->operations[left->operation],
			is_apart ? scans : more, is_apart ? &n_scans : &n,
			err) < 0)
			return -1;
	}
	tasks->operations = more;
	tasks->n_operations = n;
	/* Only the first slice has rows. */
	if (n_scans > 0) {
		tasks->scans = scans;
		tasks->n_scans = n_scans;
	}
	return 0;
}

static void
on_applied(void *context, enum redis_apply_outcome outcome,
    const struct redis_apply_result *result, const struct pgripple_error *err)
{
	struct tasks *tasks = context;
	struct pgripple_error local;

	if (outcome != REDIS_APPLY_DONE) {
		fail_slice(tasks, outcome, err);
		return;
	}
	if (take_leftovers(tasks, result, &local) < 0) {
		fail_slice(tasks, REDIS_APPLY_REFUSED, &local);
		return;
	}
	tasks->n_removed += result->n_removed;
	if (result->n_rejections > 0)
		tasks_reject(tasks, result->rejections[0].reason);
	end_slice(tasks, tasks->n_operations == 0 && !has_next(tasks));
}

static int
submit_scan(struct tasks *tasks, struct pgripple_error *err)
{
	struct redis_scan scan = {
	    .cursor = tasks->cursor,
	    .operation = tasks->operations,
	    .count = tasks->pace.count,
	    .tag_members = tasks->settings->limits.tag_members,
	};

	return redis_scan_step(
	    connection(tasks), &scan, on_scanned, tasks, err);
}

static int
submit_operation(struct tasks *tasks, struct pgripple_error *err)
{
	char nonce[80];
	/* Rows of django-cacheops put aside what is large, to be drained. */
	bool drains = tasks->operations->kind != PGRIPPLE_OPERATION_CACHEOPS;
	struct redis_apply_options options = {
	    .nonce = nonce,
	    .tag_members = drains ? tasks->pace.count : tasks_max_count(tasks),
	    .is_unhurried = true,
	};

	(void)snprintf(nonce, sizeof(nonce),
	    "pgripple:task:%" PRId64 ":%" PRId64 ":%" PRId64, tasks->id,
	    clock_wall_us(), clock_monotonic_us());
	return redis_apply(connection(tasks), tasks->operations,
	    tasks->n_operations, &options, on_applied, tasks, err);
}

static void
on_measured(void *context, const struct redis_reply *reply)
{
	struct tasks *tasks = context;
	enum redis_apply_outcome outcome;
	struct pgripple_error err;

	if (!redis_apply_expect(connection(tasks), reply,
		REDIS_REPLY_KIND_INTEGER, "DBSIZE", &outcome, &err)) {
		fail_slice(tasks, outcome, &err);
		return;
	}
	tasks->pace.n_keys = reply->integer;
	tasks->is_measured = true;
	tasks->pause_us = 0;
	tasks_step(tasks, TASKS_ON_SLICE);
}

static int
submit_measure(struct tasks *tasks, struct pgripple_error *err)
{
	const char *argv[] = {"DBSIZE"};

	return redis_command(
	    connection(tasks), 1, argv, NULL, on_measured, tasks, err);
}

static int
submit(struct tasks *tasks, struct pgripple_error *err)
{
	if (tasks->operations->kind != PGRIPPLE_OPERATION_SCAN)
		return submit_operation(tasks, err);
	return tasks->is_measured || tasks->pace.spread_us == 0
		   ? submit_scan(tasks, err)
		   : submit_measure(tasks, err);
}

/* One that was under way when the mode became "observe" waits, and so does one
 * whose target is not there.  If that was not there for a moment it may have
 * gone back: the task begins anew. */
void
tasks_work(struct tasks *tasks)
{
	const struct replay *replay =
	    targets_replay(tasks->targets, tasks->target);
	struct pgripple_error err;

	if (is_postponed(tasks) ||
	    tasks->generation != replay_generation(replay)) {
		tasks_step(tasks, TASKS_ON_POSTPONED);
		return;
	}
	if (settings_observes(tasks->settings) || !replay_is_ready(replay)) {
		tasks_step(tasks, TASKS_ON_SLICE_FAILED);
		return;
	}
	tasks->sent_us = clock_monotonic_us();
	if (submit(tasks, &err) < 0) {
		start_over(tasks);
		tasks_step(tasks, TASKS_ON_SLICE_FAILED);
	}
}

/* The mark. */

static void
on_marked(void *context, enum redis_apply_outcome outcome,
    const struct redis_apply_result *result, const struct pgripple_error *err)
{
	struct tasks *tasks = context;

	replay_note(targets_replay(tasks->targets, tasks->target), &tasks->mark,
	    outcome, result);
	targets_note(tasks->targets, tasks->target, outcome);
	if (outcome != REDIS_APPLY_DONE)
		log_error(LOG_LEVEL_WARNING, "task.failed", err);
	tasks_step(tasks,
	    outcome == REDIS_APPLY_DONE ? TASKS_ON_MARKED : TASKS_ON_UNMARKED);
	tasks->listener.on_turn(tasks->listener.context);
}

static int
submit_mark(struct tasks *tasks, struct pgripple_error *err)
{
	struct replay *replay = targets_replay(tasks->targets, tasks->target);
	char name[MEMORY_NAME];
	const struct redis_apply_options options = {
	    .nonce = name,
	    .tag_members = tasks->settings->limits.tag_members,
	    .mark = &tasks->mark.redis,
	};

	if (tasks->generation != replay_generation(replay))
		return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "redis at \"%s\" was lost while a task was done",
		    redis_connection_describe(connection(tasks)));
	targets_name_batch(tasks->targets, name);
	if (replay_prepare(replay, name, &tasks->mark, err) < 0)
		return -1;
	return redis_apply(
	    connection(tasks), NULL, 0, &options, on_marked, tasks, err);
}

/* What was never understood was not done either. */
void
tasks_set_mark(struct tasks *tasks)
{
	struct pgripple_error err;

	tasks->mark.name[0] = '\0';
	if (tasks->text == NULL) {
		tasks_step(tasks, TASKS_ON_MARKED);
	} else if (submit_mark(tasks, &err) < 0) {
		log_error(LOG_LEVEL_WARNING, "task.failed", &err);
		tasks_step(tasks, TASKS_ON_UNMARKED);
		tasks->listener.on_turn(tasks->listener.context);
	}
}
