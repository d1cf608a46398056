/*
 * What is repeated when a Redis has gone back.  Of each acknowledged batch the
 * texts of tasks are kept that do the same once more; where they do not reach
 * far enough back, every model is touched as a whole.  In one transaction these
 * tasks are added, and the mark that was found becomes that of the last
 * acknowledged batch: so nothing that survives is ever without either.
 *
 * Messages and entries of streams are repeated, too: who was told once may have
 * read a stale value again from the Redis that went back.
 */
#include <string.h>

#include "base/arena.h"
#include "base/json_write.h"
#include "core/operation.h"
#include "flow/replay_private.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "postgres/outbox.h"

/* Of one task. */
#define MAX_OPERATIONS 1000
#define MAX_BYTES ((size_t)64 << 10)

/* Remembering. */

static bool
is_quick(const struct pgripple_operation *operation)
{
	return operation->kind < PGRIPPLE_OPERATION_SCAN;
}

/* How many quick ones at the front share a task. */
static size_t
print_list(struct buf *tasks, const struct pgripple_operation *operations,
    size_t n, const char *target)
{
	const struct operation_repeat now = {.target = target};
	size_t begin = tasks->n;
	size_t i = 0;

	operation_open_list(tasks);
	do
		operation_add_to_list(tasks, &operations[i++]);
	while (i < n && i < MAX_OPERATIONS && tasks->n - begin < MAX_BYTES &&
	       is_quick(&operations[i]));
	operation_close_list(tasks, &now);
	return i;
}

static void
print_tasks(struct buf *tasks, const struct pgripple_operation *operations,
    size_t n, const char *target)
{
	size_t i = 0;

	while (i < n) {
		if (is_quick(&operations[i])) {
			i += print_list(tasks, &operations[i], n - i, target);
		} else {
			operation_print(tasks, &operations[i], target);
			i++;
		}
		buf_add_char(tasks, '\0');
	}
}

/* All targets together: a quarter of what there is. */
static size_t
max_memory(const struct settings *settings)
{
	int64_t share = settings->limits.memory_limit / 4 /
			(int64_t)settings->redis.n_targets;

	return (size_t)(settings->redis.replay_memory < share
			    ? settings->redis.replay_memory
			    : share);
}

static void
remember(
    struct replay *replay, const struct replay_mark *mark, struct buf *tasks)
{
	struct pgripple_error err;

	replay->held_by = replay->server;
	/* Without memory whole models are touched, if need be. */
	if (memory_add(&replay->memory, mark->name, tasks,
		max_memory(replay->settings), &err) < 0)
		log_error_of(LOG_LEVEL_WARNING, "redis.replay_failed", "target",
		    replay->options.name, &err);
}

void
replay_remember(struct replay *replay, const struct replay_mark *mark,
    const struct pgripple_operation *operations, size_t n_operations)
{
	struct buf tasks = BUF_INIT;

	print_tasks(&tasks, operations, n_operations, replay->options.name);
	remember(replay, mark, &tasks);
}

void
replay_remember_task(struct replay *replay, const struct replay_mark *mark,
    const char *task, size_t length)
{
	struct buf tasks = BUF_INIT;

	if (length > 0) {
		buf_add(&tasks, task, length);
		buf_add_char(&tasks, '\0');
	}
	remember(replay, mark, &tasks);
}

/* Repeating. */

/* Tasks, while they are put together. */
struct repeat {
	struct arena *arena;
	struct outbox_task *tasks;
	size_t n_tasks;
};

static size_t
count_tasks(const struct buf *tasks)
{
	size_t n = 0;

	for (size_t i = 0; i < tasks->n; i++)
		n += tasks->bytes[i] == '\0';
	return n;
}

/* In ASCII, for keys may hold characters that the database's encoding lacks. */
static int
add_tasks(struct repeat *repeat, const struct buf *tasks)
{
	const char *text = buf_string(tasks);
	size_t n = count_tasks(tasks);

	for (size_t i = 0; i < n; i++) {
		CLEANUP(buf_done) struct buf ascii = BUF_INIT;
		size_t length = strlen(text);
		char *copy;

		json_write_ascii(&ascii, text, length);
		copy = ascii.failed
			   ? NULL
			   : arena_copy(repeat->arena, ascii.bytes, ascii.n);
		if (copy == NULL)
			return -1;
		repeat->tasks[repeat->n_tasks++] = (struct outbox_task){
		    .operation = copy, .room = OUTBOX_ALWAYS};
		text += length + 1;
	}
	return 0;
}

static int
repeat_remembered(struct repeat *repeat, const struct memory_batch *lost,
    struct pgripple_error *err)
{
	size_t n = 0;

	for (const struct memory_batch *i = lost; i != NULL; i = i->next)
		n += count_tasks(&i->tasks);
	repeat->tasks = arena_array(repeat->arena, n, sizeof(*repeat->tasks));
	if (repeat->tasks == NULL)
		return pgripple_error_nomem(err);
	for (; lost != NULL; lost = lost->next)
		if (add_tasks(repeat, &lost->tasks) < 0)
			return pgripple_error_nomem(err);
	return 0;
}

/* As if somebody had asked for all of them by hand. */
static int
touch_models(struct pgripple_walk *walk, const struct pgripple_graph *graph,
    struct pgripple_error *err)
{
	struct pgripple_change *changes = arena_array(
	    pgripple_walk_arena(walk), graph->n_models, sizeof(*changes));

	if (changes == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < graph->n_models; i++) {
		changes[i] = (struct pgripple_change){
		    .op = PGRIPPLE_OP_INVALIDATE,
		    .table = graph->models[i].table,
		    .model = &graph->models[i],
		    .whole = true,
		    .whole_reason = "redis went back",
		};
		if (pgripple_walk_add(walk, &changes[i], err) < 0)
			return -1;
	}
	return pgripple_walk_step(walk, err) < 0 ? -1 : 0;
}

/* Those of the target are neighbours among the quick ones of a plan, and among
 * the long ones. */
static void
print_plan(struct buf *tasks, const struct replay *replay,
    const struct pgripple_plan *plan)
{
	for (size_t i = 0; i < plan->n_operations;) {
		size_t n = 1;

		while (i + n < plan->n_operations &&
		       plan->operations[i + n].target ==
			   plan->operations[i].target)
			n++;
		if (plan->operations[i].target == replay->options.target)
			print_tasks(tasks, &plan->operations[i], n,
			    replay->options.name);
		i += n;
	}
}

static int
repeat_models(
    struct replay *replay, struct repeat *repeat, struct pgripple_error *err)
{
	static const struct pgripple_limits limits = {
	    .touched_rows = SIZE_MAX,
	    .lookup_rows = SIZE_MAX,
	    .lookup_keys = SIZE_MAX,
	};
	struct pgripple_walk *walk = pgripple_walk_new(replay->graph, &limits);
	CLEANUP(buf_done) struct buf tasks = BUF_INIT;
	struct pgripple_plan plan;
	int status = -1;

	if (walk == NULL)
		return pgripple_error_nomem(err);
	if (touch_models(walk, replay->graph, err) == 0 &&
	    pgripple_plan_make(walk, 0, &plan, err) == 0) {
		print_plan(&tasks, replay, &plan);
		repeat->tasks = arena_array(
		    repeat->arena, count_tasks(&tasks), sizeof(*repeat->tasks));
		status = tasks.failed || repeat->tasks == NULL ||
				 add_tasks(repeat, &tasks) < 0
			     ? pgripple_error_nomem(err)
			     : 0;
	}
	pgripple_walk_free(walk);
	return status;
}

static void
log_repeat(const struct replay *replay, const struct repeat *repeat)
{
	bool is_whole = replay->lost == NULL;

	log_event(LOG_LEVEL_WARNING,
	    is_whole ? "redis.whole_models" : "redis.went_back",
	    log_string("target", replay->options.name),
	    log_string("mark", replay->found),
	    log_string("reason", is_whole ? replay->reason : NULL),
	    log_int("remembered", (int64_t)replay->memory.n_batches),
	    log_int("tasks", (int64_t)repeat->n_tasks),
	    log_string("next", is_whole
				   ? "all models are invalidated as a whole"
				   : "what was done since is done again"));
}

static void
take_over(struct replay *replay)
{
	metrics_add(METRIC_REDIS_WENT_BACK, replay->options.name,
	    replay->is_telling_models ? "models" : "operations", 1);
	memory_restart(&replay->memory, replay->telling_name);
	replay->held_by = replay->telling_server;
	replay->listener.on_tasks(replay->listener.context);
}

static void
on_told(void *context, enum session_outcome outcome,
    const struct outbox_acknowledged *answer, const struct pgripple_error *err)
{
	struct replay *replay = context;

	replay->is_telling = false;
	if (outcome == SESSION_DONE)
		take_over(replay);
	else
		log_error_of(LOG_LEVEL_WARNING, "redis.replay_failed", "target",
		    replay->options.name, err);
	replay_step(replay,
	    outcome == SESSION_DONE ? REPLAY_ON_TOLD : REPLAY_ON_TELL_FAILED);
	if (answer->is_claimed_by_other)
		replay->listener.on_claimed_by_other(replay->listener.context);
	if (outcome == SESSION_LOST)
		replay->listener.on_in_doubt(replay->listener.context);
	replay->listener.on_turn(replay->listener.context);
}

static int
submit(struct replay *replay, struct session *work, const struct repeat *repeat,
    struct pgripple_error *err)
{
	const struct settings *settings = replay->settings;
	struct state_mark mark = {
	    .target = replay->options.name,
	    .number = replay->telling_name,
	    .run_id = replay->server.run_id,
	    .replication_id = replay->server.replication_id,
	};
	struct outbox_acknowledgement acknowledgement = {
	    .max_rejected = settings->limits.rejected_rows,
	    .tasks = repeat->tasks,
	    .n_tasks = repeat->n_tasks,
	    .max_tasks = settings->tasks.max_rows,
	    .state = {replay->options.owner, &mark, 1},
	    /* Nothing else remembers what is repeated. */
	    .is_durable = true,
	};

	return outbox_acknowledge(work, settings->postgres.schema,
	    &acknowledgement, on_told, replay, err);
}

int
replay_tell(
    struct replay *replay, struct session *work, struct pgripple_error *err)
{
	struct repeat repeat = {.arena = arena_new()};
	char after[MEMORY_NAME];
	int status;

	if (repeat.arena == NULL)
		return pgripple_error_nomem(err);
	replay_read_mark(replay->found, replay->telling_name, after);
	replay->telling_server = replay->server;
	status = replay->lost != NULL
		     ? repeat_remembered(&repeat, replay->lost, err)
		     : repeat_models(replay, &repeat, err);
	if (status == 0)
		status = submit(replay, work, &repeat, err);
	if (status == 0) {
		replay->is_telling = true;
		replay->is_telling_models = replay->lost == NULL;
		log_repeat(replay, &repeat);
	}
	arena_free(repeat.arena);
	return status;
}
