/*
 * The task runner.  A task is an operation, or a list of quick ones
 * (core/operation.h); scans and drains are long and are done in slices, with
 * pauses (tasks_slice.c).
 *
 * Only tasks_enter() writes the state, and tasks_step() alone decides what an
 * event means (tasks_states.c).
 */
#include "flow/tasks_private.h"

#include <event2/event.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "core/operation.h"
#include "flow/targets.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "postgres/task.h"

#define FIRST_PAUSE_MS 100
#define STABLE_MS 5000

static void
forget(struct tasks *tasks)
{
	arena_free(tasks->arena);
	tasks->arena = NULL;
	tasks->operations = tasks->messages = tasks->scans = NULL;
	tasks->n_operations = tasks->n_messages = tasks->n_scans = 0;
	tasks->first = (struct pgripple_operation){0};
	tasks->text = NULL;
	tasks->reason = NULL;
}

/* Asking. */

/* A tag may be large by now: it is drained, and what tells of it waits. */
static void
arrange(struct tasks *tasks)
{
	size_t n = tasks->n_operations;
	size_t n_before = 0;

	for (size_t i = 0; i < n; i++) {
		struct pgripple_operation *operation = &tasks->operations[i];

		operation->target = tasks->target;
		if (operation->kind == PGRIPPLE_OPERATION_TAG)
			operation->kind = PGRIPPLE_OPERATION_DRAIN;
		if (operation->kind != PGRIPPLE_OPERATION_PUBLISH &&
		    operation->kind != PGRIPPLE_OPERATION_STREAM)
			n_before = i + 1;
	}
	if (n_before == 0)
		return;
	tasks->messages = tasks->operations + n_before;
	tasks->n_messages = n - n_before;
	tasks->n_operations = n_before;
}

static int
read_operations(
    struct tasks *tasks, const struct task *task, struct pgripple_error *err)
{
	const char *target;

	tasks->arena = arena_new();
	if (tasks->arena == NULL)
		return pgripple_error_nomem(err);
	if (operation_read_all(tasks->arena, task->operation, task->length,
		&tasks->operations, &tasks->n_operations, &target, err) < 0)
		return -1;
	if (!targets_find(tasks->targets, target, &tasks->target)) {
		tasks->n_operations = 0;
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the settings have no target \"%.80s\"", target);
	}
	arrange(tasks);
	tasks->first = tasks->operations[0];
	tasks->length = task->length;
	tasks->text = arena_copy(tasks->arena, task->operation, task->length);
	return tasks->text == NULL ? pgripple_error_nomem(err) : 0;
}

void
tasks_reject(struct tasks *tasks, const char *reason)
{
	if (tasks->reason != NULL)
		return;
	tasks->reason = arena_strdup(tasks->arena, reason);
	if (tasks->reason == NULL)
		tasks->reason = "out of memory";
}

/* What the answer to "is there a task?" means. */
static enum tasks_event
take_task(struct tasks *tasks, enum session_outcome outcome,
    const struct task_answer *answer, const struct pgripple_error *ask_err)
{
	struct pgripple_error err;

	tasks->pause_us = answer->wait_ms * 1000;
	if (outcome != SESSION_DONE) {
		log_error(LOG_LEVEL_WARNING, "task.failed", ask_err);
		return TASKS_ON_STATEMENT_FAILED;
	}
	if (answer->task == NULL)
		return TASKS_ON_NONE;
	tasks->id = answer->task->id;
	if (read_operations(tasks, answer->task, &err) == 0)
		return TASKS_ON_TASK;
	if (err.kind == PGRIPPLE_ERROR_INPUT) {
		tasks_reject(tasks, err.text);
		return TASKS_ON_MALFORMED;
	}
	log_error(LOG_LEVEL_WARNING, "task.failed", &err);
	return TASKS_ON_STATEMENT_FAILED;
}

static void
on_task(void *context, enum session_outcome outcome,
    const struct task_answer *answer, const struct pgripple_error *err)
{
	struct tasks *tasks = context;

	tasks_step(tasks, take_task(tasks, outcome, answer, err));
	tasks->listener.on_turn(tasks->listener.context);
}

static void
ask(struct tasks *tasks)
{
	const char *postponed[PGRIPPLE_MAX_TARGETS];
	struct task_choice choice = {tasks->quick, postponed, 0};
	struct pgripple_error err;

	tasks->woken = false;
	forget(tasks);
	for (size_t i = 0; i < targets_count(tasks->targets); i++)
		if (targets_state(tasks->targets, i) == TARGET_POSTPONED)
			postponed[choice.n_postponed++] =
			    targets_name(tasks->targets, i);
	if (task_next(tasks->work, tasks->settings->postgres.schema, &choice,
		on_task, tasks, &err) < 0) {
		log_error(LOG_LEVEL_WARNING, "task.failed", &err);
		tasks_step(tasks, TASKS_ON_STATEMENT_FAILED);
	}
}

/* Removing. */

static void
tell_rejected(const struct tasks *tasks, const char *key)
{
	log_event(LOG_LEVEL_ERROR, "task.rejected", log_int("id", tasks->id),
	    log_string("key", key), log_string("error", tasks->reason),
	    log_string("hint",
		"It was moved to the table \"rejected\", for \"pgripple "
		"rejected retry\"."));
}

static void
tell_end(const struct tasks *tasks)
{
	const struct pgripple_operation *first = &tasks->first;
	const char *key = log_shows_values() ? first->key : NULL;

	metrics_add(METRIC_TASKS, pgripple_operation_kind_name(first->kind),
	    tasks->reason == NULL ? "done" : "rejected", 1);
	if (tasks->reason != NULL)
		metrics_add(METRIC_REJECTED, "task", NULL, 1);
	if (tasks->reason != NULL)
		tell_rejected(tasks, key);
	else
		log_event(tasks->quick ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		    "task.done", log_int("id", tasks->id),
		    log_string("do", pgripple_operation_kind_name(first->kind)),
		    log_string("key", key),
		    log_int("keys", (int64_t)tasks->n_removed),
		    log_int("us", clock_monotonic_us() - tasks->started_us));
}

static bool
is_marked(const struct tasks *tasks)
{
	return tasks->mark.name[0] != '\0';
}

static void
on_removed(void *context, enum session_outcome outcome,
    bool is_claimed_by_other, const struct pgripple_error *err)
{
	struct tasks *tasks = context;

	if (outcome != SESSION_FAILED && is_marked(tasks))
		replay_remember_task(
		    targets_replay(tasks->targets, tasks->target), &tasks->mark,
		    tasks->text, tasks->length);
	if (is_claimed_by_other)
		tasks->listener.on_claimed_by_other(tasks->listener.context);
	if (outcome == SESSION_LOST)
		tasks->listener.on_in_doubt(tasks->listener.context);
	if (outcome == SESSION_DONE) {
		bool has_left = tasks->n_scans > 0;

		tell_end(tasks);
		tasks_step(tasks, TASKS_ON_REMOVED);
		if (has_left)
			tasks->listener.on_tasks(tasks->listener.context);
	} else {
		log_error(LOG_LEVEL_WARNING, "task.failed", err);
		tasks_step(tasks, TASKS_ON_STATEMENT_FAILED);
	}
	tasks->listener.on_turn(tasks->listener.context);
}

/* What is left to tasks of their own, as text. */
static int
print_later(struct tasks *tasks, const char **later, struct pgripple_error *err)
{
	const char *target = targets_name(tasks->targets, tasks->target);

	if (later == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < tasks->n_scans; i++) {
		CLEANUP(buf_done) struct buf text = BUF_INIT;
		CLEANUP(buf_done) struct buf ascii = BUF_INIT;

		operation_print(&text, &tasks->scans[i], target);
		if (!text.failed)
			json_write_ascii(&ascii, text.bytes, text.n);
		if (text.failed || ascii.failed)
			return pgripple_error_nomem(err);
		later[i] = arena_copy(tasks->arena, ascii.bytes, ascii.n);
		if (later[i] == NULL)
			return pgripple_error_nomem(err);
	}
	return 0;
}

static void
remove_task(struct tasks *tasks)
{
	struct pgripple_error err;
	struct state_mark mark;
	const char **later =
	    arena_array(tasks->arena, tasks->n_scans, sizeof(*later));
	struct task_end end = {
	    .id = tasks->id,
	    .reason = tasks->reason,
	    .max_rejected = tasks->settings->limits.rejected_rows,
	    .state = {targets_claim(tasks->targets)->owner, &mark,
		is_marked(tasks)},
	    .later = later,
	    .n_later = tasks->n_scans,
	};

	if (is_marked(tasks) &&
	    replay_state_mark(targets_replay(tasks->targets, tasks->target),
		&tasks->mark, &mark, &err) < 0) {
		log_error(LOG_LEVEL_WARNING, "task.failed", &err);
		tasks_step(tasks, TASKS_ON_UNMARKED);
	} else if (print_later(tasks, later, &err) < 0 ||
		   task_done(tasks->work, tasks->settings->postgres.schema,
		       &end, on_removed, tasks, &err) < 0) {
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
	if (next != tasks->state)
		(void)event_del(tasks->pause);
	tasks->state = next;
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

/* Until what is there is due, or a wake. */
static void
rest(struct tasks *tasks)
{
	if (tasks->woken)
		tasks_step(tasks, TASKS_ON_WAKE);
	else if (tasks->pause_us > 0)
		wait_us(tasks, tasks->pause_us);
}

void
tasks_step(struct tasks *tasks, enum tasks_event event)
{
	struct tasks_transition transition =
	    tasks_transition(tasks->state, event);

	tasks_enter(tasks, transition.next, event);
	switch (transition.action) {
	case TASKS_NOTHING:
		break;
	case TASKS_REST:
		rest(tasks);
		break;
	case TASKS_REQUEST_TURN:
		tasks->listener.on_turn(tasks->listener.context);
		break;
	case TASKS_ASK:
		ask(tasks);
		break;
	case TASKS_BEGIN:
		tasks_begin(tasks);
		tasks_work(tasks);
		break;
	case TASKS_SCAN:
		tasks_work(tasks);
		break;
	case TASKS_PAUSE:
		wait_us(tasks, tasks->pause_us);
		break;
	case TASKS_PAUSE_LONG:
		wait_us(tasks, backoff_fail(&tasks->backoff) * 1000);
		break;
	case TASKS_MARK:
		tasks_set_mark(tasks);
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
    struct targets *targets, bool quick, const struct tasks_listener *listener,
    struct tasks **ret_tasks, struct pgripple_error *err)
{
	struct tasks *tasks = calloc(1, sizeof(*tasks));

	if (tasks == NULL)
		return pgripple_error_nomem(err);
	tasks->work = work;
	tasks->targets = targets;
	tasks->quick = quick;
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
	pace_change(&tasks->pace, tasks_max_count(tasks),
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
	return tasks->state == TASKS_ASKING || tasks->state == TASKS_MARKING ||
	       tasks->state == TASKS_REMOVING;
}
