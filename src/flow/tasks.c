/*
 * The task runner.  A task is an operation (core/operation.h); scans and drains
 * are long and are done in slices, with pauses.
 *
 * Only tasks_enter() writes the state, and tasks_step() alone decides what an
 * event means (tasks_states.c).
 */
#include "flow/tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "base/arena.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "core/operation.h"
#include "flow/pace.h"
#include "flow/targets.h"
#include "flow/tasks_states.h"
#include "observe/log.h"
#include "postgres/task.h"
#include "redis/apply.h"
#include "redis/connection.h"
#include "redis/scan.h"

#define FIRST_PAUSE_MS 100
#define STABLE_MS 5000

struct tasks {
	struct session *work;
	struct targets *targets;
	struct tasks_listener listener;
	const struct settings *settings;

	enum tasks_state state;
	bool woken; /* while asking: ask once more */
	struct event *pause;
	struct backoff backoff;

	/* The task under way; the arena is NULL in between. */
	struct arena *arena;
	int64_t id;
	struct pgripple_operation operation; /* key NULL: not understood */
	const char *reason; /* why it is to be rejected in the end, or NULL */
	struct pace pace;
	bool is_measured; /* the keyspace, for the pace */
	int64_t sent_us; /* the slice under way */
	int64_t pause_us; /* after it */
	char cursor[REDIS_CURSOR_TEXT];
	/* Of the server that gave the cursor: to another it means nothing. */
	char run_id[sizeof(((struct redis_server *)0)->run_id)];
	uint64_t n_removed;
	int64_t started_us;
};

static void tasks_step(struct tasks *tasks, enum tasks_event event);

/* Of the target of the task under way. */
static struct redis_connection *
connection(const struct tasks *tasks)
{
	return targets_connection(tasks->targets, tasks->operation.target);
}

static bool
is_postponed(const struct tasks *tasks)
{
	return targets_state(tasks->targets, tasks->operation.target) ==
	       TARGET_POSTPONED;
}

static void
forget(struct tasks *tasks)
{
	arena_free(tasks->arena);
	tasks->arena = NULL;
	tasks->operation = (struct pgripple_operation){0};
	tasks->reason = NULL;
}

/* Asking. */

/* A tag may be large by now: it is drained. */
static int
read_operation(
    struct tasks *tasks, const struct task *task, struct pgripple_error *err)
{
	const char *target;

	tasks->arena = arena_new();
	if (tasks->arena == NULL)
		return pgripple_error_nomem(err);
	if (operation_read(tasks->arena, task->operation, task->length,
		&tasks->operation, &target, err) < 0)
		return -1;
	if (!targets_find(tasks->targets, target, &tasks->operation.target)) {
		tasks->operation = (struct pgripple_operation){0};
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the settings have no target \"%.80s\"", target);
	}
	if (tasks->operation.kind == PGRIPPLE_OPERATION_TAG)
		tasks->operation.kind = PGRIPPLE_OPERATION_DRAIN;
	return 0;
}

/* Remembers why, the first time. */
static void
reject(struct tasks *tasks, const char *reason)
{
	if (tasks->reason != NULL)
		return;
	tasks->reason = arena_strdup(tasks->arena, reason);
	if (tasks->reason == NULL)
		tasks->reason = "out of memory";
}

static void
start_over(struct tasks *tasks)
{
	(void)snprintf(tasks->cursor, sizeof(tasks->cursor), "0");
}

static void
begin(struct tasks *tasks)
{
	const struct settings *settings = tasks->settings;

	start_over(tasks);
	pace_start(&tasks->pace, settings->tasks.scan_count,
	    settings->tasks.scan_pause_ms * 1000,
	    settings->tasks.spread_ms * 1000, 0);
	tasks->is_measured = false;
	tasks->n_removed = 0;
	tasks->started_us = clock_monotonic_us();
	log_event(LOG_LEVEL_DEBUG, "task.started", log_int("id", tasks->id),
	    log_string(
		"do", pgripple_operation_kind_name(tasks->operation.kind)),
	    log_string(
		"key", log_shows_values() ? tasks->operation.key : NULL));
}

/* What the answer to "is there a task?" means. */
static enum tasks_event
take_task(struct tasks *tasks, enum session_outcome outcome,
    const struct task *task, const struct pgripple_error *ask_err)
{
	struct pgripple_error err;

	if (outcome != SESSION_DONE) {
		log_error(LOG_LEVEL_WARNING, "task.failed", ask_err);
		return TASKS_ON_STATEMENT_FAILED;
	}
	if (task == NULL)
		return TASKS_ON_NONE;
	tasks->id = task->id;
	if (read_operation(tasks, task, &err) == 0)
		return TASKS_ON_TASK;
	if (err.kind == PGRIPPLE_ERROR_INPUT) {
		reject(tasks, err.text);
		return TASKS_ON_MALFORMED;
	}
	log_error(LOG_LEVEL_WARNING, "task.failed", &err);
	return TASKS_ON_STATEMENT_FAILED;
}

static void
on_task(void *context, enum session_outcome outcome, const struct task *task,
    const struct pgripple_error *err)
{
	struct tasks *tasks = context;

	tasks_step(tasks, take_task(tasks, outcome, task, err));
	tasks->listener.on_turn(tasks->listener.context);
}

static void
ask(struct tasks *tasks)
{
	const char *postponed[PGRIPPLE_MAX_TARGETS];
	size_t n_postponed = 0;
	struct pgripple_error err;

	tasks->woken = false;
	forget(tasks);
	for (size_t i = 0; i < targets_count(tasks->targets); i++)
		if (targets_state(tasks->targets, i) == TARGET_POSTPONED)
			postponed[n_postponed++] =
			    targets_name(tasks->targets, i);
	if (task_next(tasks->work, tasks->settings->postgres.schema, postponed,
		n_postponed, on_task, tasks, &err) < 0) {
		log_error(LOG_LEVEL_WARNING, "task.failed", &err);
		tasks_step(tasks, TASKS_ON_STATEMENT_FAILED);
	}
}

/* Slices. */

static void
fail_slice(struct tasks *tasks, enum redis_apply_outcome outcome,
    const struct pgripple_error *err)
{
	targets_note(tasks->targets, tasks->operation.target, outcome);
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
	targets_note(tasks->targets, tasks->operation.target, REDIS_APPLY_DONE);
	tasks->pause_us =
	    pace_step(&tasks->pace, clock_monotonic_us() - tasks->sent_us);
	tasks_step(tasks, is_last ? TASKS_ON_LAST_SLICE : TASKS_ON_SLICE);
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
		reject(tasks, result->reason);
	(void)snprintf(
	    tasks->cursor, sizeof(tasks->cursor), "%s", result->next_cursor);
	end_slice(tasks, result->is_last);
}

static void
on_applied(void *context, enum redis_apply_outcome outcome,
    const struct redis_apply_result *result, const struct pgripple_error *err)
{
	struct tasks *tasks = context;

	if (outcome != REDIS_APPLY_DONE) {
		fail_slice(tasks, outcome, err);
		return;
	}
	tasks->n_removed += result->n_removed;
	if (result->n_rejections > 0)
		reject(tasks, result->rejections[0].reason);
	end_slice(tasks, result->n_leftovers == 0);
}

static int
submit_scan(struct tasks *tasks, struct pgripple_error *err)
{
	struct redis_scan scan = {
	    .cursor = tasks->cursor,
	    .operation = &tasks->operation,
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
	struct redis_apply_options options = {
	    nonce, tasks->settings->limits.tag_members};

	(void)snprintf(nonce, sizeof(nonce),
	    "pgripple:task:%" PRId64 ":%" PRId64 ":%" PRId64, tasks->id,
	    clock_wall_us(), clock_monotonic_us());
	return redis_apply(connection(tasks), &tasks->operation, 1, &options,
	    on_applied, tasks, err);
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
	if (tasks->operation.kind != PGRIPPLE_OPERATION_SCAN)
		return submit_operation(tasks, err);
	return tasks->is_measured || tasks->pace.spread_us == 0
		   ? submit_scan(tasks, err)
		   : submit_measure(tasks, err);
}

/* One that was under way when the mode became "observe" waits. */
static void
work(struct tasks *tasks)
{
	const char *run_id = redis_connection_server(connection(tasks))->run_id;
	struct pgripple_error err;

	if (settings_observes(tasks->settings)) {
		tasks_step(tasks, TASKS_ON_SLICE_FAILED);
		return;
	}
	if (is_postponed(tasks)) {
		tasks_step(tasks, TASKS_ON_POSTPONED);
		return;
	}
	if (strcmp(run_id, tasks->run_id) != 0) {
		memcpy(tasks->run_id, run_id, sizeof(tasks->run_id));
		start_over(tasks);
	}
	tasks->sent_us = clock_monotonic_us();
	if (submit(tasks, &err) < 0) {
		start_over(tasks);
		tasks_step(tasks, TASKS_ON_SLICE_FAILED);
	}
}

static void
wait_us(struct tasks *tasks, int64_t pause_us)
{
	struct timeval pause = {
	    .tv_sec = pause_us / 1000000,
	    .tv_usec = pause_us % 1000000,
	};

	(void)event_add(tasks->pause, &pause); /* the timer exists already */
}

/* Removing. */

static void
tell_end(const struct tasks *tasks)
{
	const struct pgripple_operation *operation = &tasks->operation;
	const char *key = log_shows_values() ? operation->key : NULL;

	if (tasks->reason != NULL)
		log_event(LOG_LEVEL_ERROR, "task.rejected",
		    log_int("id", tasks->id), log_string("key", key),
		    log_string("error", tasks->reason),
		    log_string("hint",
			"It was moved to the table \"rejected\", for "
			"\"pgripple rejected retry\"."));
	else
		log_event(LOG_LEVEL_INFO, "task.done", log_int("id", tasks->id),
		    log_string(
			"do", pgripple_operation_kind_name(operation->kind)),
		    log_string("key", key),
		    log_int("keys", (int64_t)tasks->n_removed),
		    log_int("us", clock_monotonic_us() - tasks->started_us));
}

static void
on_removed(void *context, enum session_outcome outcome,
    const struct pgripple_error *err)
{
	struct tasks *tasks = context;

	if (outcome == SESSION_DONE) {
		tell_end(tasks);
		tasks_step(tasks, TASKS_ON_REMOVED);
	} else {
		log_error(LOG_LEVEL_WARNING, "task.failed", err);
		tasks_step(tasks, TASKS_ON_STATEMENT_FAILED);
	}
	tasks->listener.on_turn(tasks->listener.context);
}

static void
remove_task(struct tasks *tasks)
{
	struct pgripple_error err;

	struct task_end end = {
	    .id = tasks->id,
	    .reason = tasks->reason,
	    .max_rejected = tasks->settings->limits.rejected_rows,
	};

	if (task_done(tasks->work, tasks->settings->postgres.schema, &end,
		on_removed, tasks, &err) < 0) {
		log_error(LOG_LEVEL_WARNING, "task.failed", &err);
		tasks_step(tasks, TASKS_ON_STATEMENT_FAILED);
	}
}

/* The machine. */

static void
tasks_enter(struct tasks *tasks, enum tasks_state next, enum tasks_event reason)
{
	if (next != tasks->state)
		log_event(LOG_LEVEL_DEBUG, "tasks.state",
		    log_string("from", tasks_state_name(tasks->state)),
		    log_string("to", tasks_state_name(next)),
		    log_string("reason", tasks_event_name(reason)));
	tasks->state = next;
}

static void
tasks_step(struct tasks *tasks, enum tasks_event event)
{
	struct tasks_transition transition =
	    tasks_transition(tasks->state, event);

	tasks_enter(tasks, transition.next, event);
	switch (transition.action) {
	case TASKS_NOTHING:
		break;
	case TASKS_REST:
		if (tasks->woken)
			tasks_step(tasks, TASKS_ON_WAKE);
		break;
	case TASKS_REQUEST_TURN:
		tasks->listener.on_turn(tasks->listener.context);
		break;
	case TASKS_ASK:
		ask(tasks);
		break;
	case TASKS_BEGIN:
		begin(tasks);
		work(tasks);
		break;
	case TASKS_SCAN:
		work(tasks);
		break;
	case TASKS_PAUSE:
		wait_us(tasks, tasks->pause_us);
		break;
	case TASKS_PAUSE_LONG:
		wait_us(tasks, backoff_fail(&tasks->backoff) * 1000);
		break;
	case TASKS_REMOVE:
		remove_task(tasks);
		break;
	case TASKS_BUG:
		log_event(LOG_LEVEL_ERROR, "tasks.bug",
		    log_string("state", tasks_state_name(tasks->state)),
		    log_string("reason", tasks_event_name(event)));
		abort();
	}
}

static void
on_pause_over(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	tasks_step(context, TASKS_ON_TIMER);
}

int
tasks_new(struct event_base *base, struct session *work,
    struct targets *targets, const struct tasks_listener *listener,
    struct tasks **ret_tasks, struct pgripple_error *err)
{
	struct tasks *tasks = calloc(1, sizeof(*tasks));

	if (tasks == NULL)
		return pgripple_error_nomem(err);
	tasks->work = work;
	tasks->targets = targets;
	tasks->listener = *listener;
	tasks->pause = evtimer_new(base, on_pause_over, tasks);
	if (tasks->pause == NULL) {
		free(tasks);
		return pgripple_error_nomem(err);
	}
	*ret_tasks = tasks;
	return 0;
}

void
tasks_free(struct tasks *tasks)
{
	if (tasks == NULL)
		return;
	forget(tasks);
	event_free(tasks->pause);
	free(tasks);
}

void
tasks_configure(struct tasks *tasks, const struct settings *settings)
{
	tasks->settings = settings;
	pace_change(&tasks->pace, settings->tasks.scan_count,
	    settings->tasks.scan_pause_ms * 1000,
	    settings->tasks.spread_ms * 1000);
	backoff_init(
	    &tasks->backoff, FIRST_PAUSE_MS, settings->retry_max_ms, STABLE_MS);
}

void
tasks_wake(struct tasks *tasks)
{
	tasks->woken = true;
	tasks_step(tasks, TASKS_ON_WAKE);
}

bool
tasks_wants_session(const struct tasks *tasks)
{
	return !settings_observes(tasks->settings) &&
	       (tasks->state == TASKS_WANTING || tasks->state == TASKS_ENDING);
}

void
tasks_take_turn(struct tasks *tasks)
{
	tasks_step(tasks, TASKS_ON_TURN);
}

bool
tasks_uses_session(const struct tasks *tasks)
{
	return tasks->state == TASKS_ASKING || tasks->state == TASKS_REMOVING;
}
