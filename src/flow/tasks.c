/*
 * The task runner.  So far there is one kind of task: to scan the keyspace of
 * Redis for a pattern and unlink what matches, {"do":"scan","pattern":"..."}.
 *
 * Only tasks_enter() writes the state, and tasks_step() alone decides what an
 * event means (tasks_states.c).
 */
#include "flow/tasks.h"

#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "base/arena.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/json_read.h"
#include "flow/tasks_states.h"
#include "observe/log.h"
#include "postgres/task.h"
#include "redis/connection.h"
#include "redis/scan.h"

#define FIRST_PAUSE_MS 100
#define STABLE_MS 5000

struct tasks {
	struct session *work;
	struct redis_connection *redis;
	struct tasks_listener listener;
	const struct settings *settings;

	enum tasks_state state;
	bool woken; /* while asking: ask once more */
	struct event *pause;
	struct backoff backoff;

	/* The task under way; the arena is NULL in between. */
	struct arena *arena;
	int64_t id;
	const char *pattern;
	size_t pattern_length;
	char cursor[REDIS_CURSOR_TEXT];
	/* Of the server that gave the cursor: to another it means nothing. */
	char run_id[sizeof(((struct redis_server *)0)->run_id)];
	uint64_t n_removed;
	int64_t started_us;
};

static void tasks_step(struct tasks *tasks, enum tasks_event event);

static void
forget(struct tasks *tasks)
{
	arena_free(tasks->arena);
	tasks->arena = NULL;
	tasks->pattern = NULL;
}

/* Asking. */

static int
read_operation(
    struct tasks *tasks, const struct task *task, struct pgripple_error *err)
{
	const struct json *what, *pattern;
	struct json *root;

	tasks->arena = arena_new();
	if (tasks->arena == NULL)
		return pgripple_error_nomem(err);
	if (json_read(tasks->arena, task->operation, task->length, &root, err) <
	    0)
		return -1;
	what = json_member(root, "do");
	pattern = json_member(root, "pattern");
	if (what == NULL || !json_is(what, "scan") || pattern == NULL ||
	    pattern->kind != JSON_STRING || pattern->length == 0)
		return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
		    "the operation is none that this version knows");
	tasks->pattern = pattern->text;
	tasks->pattern_length = pattern->length;
	return 0;
}

static void
start_over(struct tasks *tasks)
{
	(void)snprintf(tasks->cursor, sizeof(tasks->cursor), "0");
}

static void
begin(struct tasks *tasks)
{
	start_over(tasks);
	tasks->n_removed = 0;
	tasks->started_us = clock_monotonic_us();
	log_event(LOG_LEVEL_DEBUG, "task.started", log_int("id", tasks->id),
	    log_string("pattern", log_shows_values() ? tasks->pattern : NULL));
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
	log_event(LOG_LEVEL_ERROR, "task.rejected", log_int("id", task->id),
	    log_string("operation", task->operation),
	    log_string("error", err.text));
	return TASKS_ON_MALFORMED;
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
	struct pgripple_error err;

	tasks->woken = false;
	forget(tasks);
	if (task_next(tasks->work, tasks->settings->postgres.schema, on_task,
		tasks, &err) < 0) {
		log_error(LOG_LEVEL_WARNING, "task.failed", &err);
		tasks_step(tasks, TASKS_ON_STATEMENT_FAILED);
	}
}

/* Scanning. */

static void
on_slice(void *context, enum redis_apply_outcome outcome,
    const char *next_cursor, uint64_t n_found UNUSED, uint64_t n_removed,
    const struct pgripple_error *err)
{
	struct tasks *tasks = context;

	if (outcome != REDIS_APPLY_DONE) {
		if (outcome == REDIS_APPLY_LOST)
			start_over(tasks);
		log_error(LOG_LEVEL_WARNING, "task.failed", err);
		tasks_step(tasks, TASKS_ON_SLICE_FAILED);
		return;
	}
	backoff_succeed(&tasks->backoff);
	tasks->n_removed += n_removed;
	(void)snprintf(tasks->cursor, sizeof(tasks->cursor), "%s", next_cursor);
	tasks_step(tasks, strcmp(next_cursor, "0") == 0 ? TASKS_ON_LAST_SLICE
							: TASKS_ON_SLICE);
}

/* One that was under way when the mode became "observe" waits. */
static void
scan(struct tasks *tasks)
{
	const char *run_id = redis_connection_server(tasks->redis)->run_id;
	struct pgripple_error err;

	if (settings_observes(tasks->settings)) {
		tasks_step(tasks, TASKS_ON_SLICE_FAILED);
		return;
	}
	if (strcmp(run_id, tasks->run_id) != 0) {
		memcpy(tasks->run_id, run_id, sizeof(tasks->run_id));
		start_over(tasks);
	}
	if (redis_scan_step(tasks->redis, tasks->cursor, tasks->pattern,
		tasks->pattern_length, tasks->settings->tasks.scan_count,
		on_slice, tasks, &err) < 0) {
		start_over(tasks);
		tasks_step(tasks, TASKS_ON_SLICE_FAILED);
	}
}

static void
wait_ms(struct tasks *tasks, int64_t pause_ms)
{
	struct timeval pause = {
	    .tv_sec = pause_ms / 1000,
	    .tv_usec = pause_ms % 1000 * 1000,
	};

	(void)event_add(tasks->pause, &pause); /* the timer exists already */
}

/* Removing. */

static void
tell_done(const struct tasks *tasks)
{
	if (tasks->pattern == NULL)
		return; /* it was rejected */
	log_event(LOG_LEVEL_INFO, "task.done", log_int("id", tasks->id),
	    log_string("pattern", log_shows_values() ? tasks->pattern : NULL),
	    log_int("keys", (int64_t)tasks->n_removed),
	    log_int("us", clock_monotonic_us() - tasks->started_us));
}

static void
on_removed(void *context, enum session_outcome outcome,
    const struct pgripple_error *err)
{
	struct tasks *tasks = context;

	if (outcome == SESSION_DONE) {
		tell_done(tasks);
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

	if (task_done(tasks->work, tasks->settings->postgres.schema, tasks->id,
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
		scan(tasks);
		break;
	case TASKS_SCAN:
		scan(tasks);
		break;
	case TASKS_PAUSE:
		wait_ms(tasks, tasks->settings->tasks.scan_pause_ms);
		break;
	case TASKS_PAUSE_LONG:
		wait_ms(tasks, backoff_fail(&tasks->backoff));
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
    struct redis_connection *redis, const struct tasks_listener *listener,
    struct tasks **ret_tasks, struct pgripple_error *err)
{
	struct tasks *tasks = calloc(1, sizeof(*tasks));

	if (tasks == NULL)
		return pgripple_error_nomem(err);
	tasks->work = work;
	tasks->redis = redis;
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
