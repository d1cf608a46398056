/*
 * The inside of a batch, shared by batch.c (machine, ending), batch_fetch.c
 * (fetching, decoding), batch_prefetch.c (fetching ahead), batch_lookup.c
 * (resolving), batch_limits.c (limits, escalations), batch_room.c (memory),
 * batch_plan.c (planning, what goes where), batch_apply.c (applying),
 * batch_tasks.c (what is left to be done), batch_acknowledge.c (marks,
 * acknowledging) and batch_metrics.c (counting).
 */
#ifndef PGRIPPLE_FLOW_BATCH_PRIVATE_H
#define PGRIPPLE_FLOW_BATCH_PRIVATE_H

#include "flow/batch.h"

#include <pgripple/change.h>
#include <pgripple/plan.h>
#include <pgripple/walk.h>

#include "base/backoff.h"
#include "flow/batch_states.h"
#include "flow/replay.h"
#include "postgres/catalog.h"
#include "postgres/outbox.h"

struct batch_ping {
	const char *key;
	int64_t wall_us; /* when it was written to the outbox */
};

/* What is applied to one target. */
struct batch_part {
	struct batch *batch;
	size_t target;
	/* Of the pings, then the plan's. */
	struct pgripple_operation *operations;
	size_t n_operations;
	struct replay_mark mark; /* behind them */
};

/* Bytes of memory that the batch under way may take: all of it, the answers to
 * lookups, the walk, and the changes that it begins with. */
struct batch_room {
	size_t all;
	size_t answers;
	size_t walk;
	size_t changes;
};

/* What was fetched while the batch before it was worked on. */
struct batch_prefetch {
	bool is_under_way;
	bool is_unwanted; /* when it comes */
	struct arena *arena; /* of the rows */
	struct outbox_row *rows;
	size_t n_rows; /* 0: there is none */
	uint64_t session_number; /* of the session that fetched them */
	int64_t came_us; /* monotonic */
	int64_t came_wall_us;
	int n_in_a_row; /* batches that were fetched ahead */
	bool has_held;
	enum batch_action held; /* until the work session is free */
};

struct batch {
	struct batch_peers peers;
	struct batch_listener listener;
	const struct settings *settings;
	const struct pgripple_graph *graph;
	const struct catalog *catalog;

	enum batch_state state;
	int64_t entered_us; /* the step, which a lookup begins again */
	int64_t stage_us; /* the state */
	struct event *pause;
	struct backoff backoff;
	bool was_full; /* the last one that left tasks found no room */
	bool was_short; /* of memory */
	struct batch_prefetch prefetch;

	/* Of the batch under way; NULL in between. */
	int64_t above_id;
	struct batch_room room;
	bool is_small; /* it has less than a quarter of what it may have */
	struct pgripple_walk *walk;
	struct arena *arena; /* the walk's */
	int64_t *ids;
	size_t n_ids;
	struct outbox_rejection *rejections;
	size_t n_rejections;
	struct pgripple_change *changes; /* those that are in the walk */
	size_t n_changes;
	struct batch_ping *pings;
	size_t n_pings;
	struct pgripple_plan plan;
	struct batch_part *parts; /* for each target that is sent some */
	size_t n_parts;
	size_t n_parts_under_way;
	bool has_failed; /* one of them */
	struct pgripple_error part_err; /* why */
	/* For targets that are postponed: they become tasks. */
	const struct pgripple_operation **postponed;
	size_t n_postponed;
	uint32_t postponed_targets; /* those that tasks are left for */
	size_t n_waiting; /* tasks, when last told */
	size_t n_waiting_bytes;
	bool has_due_tasks; /* of targets that are not postponed */
	struct pgripple_operation *drains; /* tasks beside the plan's */
	size_t n_drains;
	struct outbox_task *tasks; /* all of them, when acknowledging */
	size_t n_tasks;
	const char *lsn; /* past the commits of all changes, or "" */
	bool has_marks; /* changes that stand for others */
	size_t n_kept; /* marks that must stay */
	size_t lookup; /* of this round: the first that is under way */
	size_t n_together; /* under way, in one statement */
	size_t n_alone; /* to come one at a time: together they failed */
	struct batch_escalation *escalations; /* in the arena */
	uint64_t session_number; /* of the session that fetched it */
	int64_t fetched_wall_us;
	int64_t applied_wall_us;
};

/* Feeds the machine; alone decides what an event means. */
void batch_step(struct batch *batch, enum batch_event event);
/* Carries out what a step decided. */
void batch_act(struct batch *batch, enum batch_action action);
/* Failures are told where they are handled: here. */
void batch_fail(struct batch *batch, const struct pgripple_error *err);

/* What a fetch may bring. */
struct outbox_bounds batch_bounds(const struct batch *batch, int64_t above_id);
/* The batch begins with these rows, which are borrowed for the call. */
void batch_take_rows(struct batch *batch, const struct outbox_row *rows,
    size_t n_rows, int64_t fetched_wall_us);
/* Has the next batch fetched, above that id, unless it should not be. */
void batch_prefetch(struct batch *batch, int64_t above_id);
/* Begins with what was fetched ahead; false if there is none. */
bool batch_take_prefetched(struct batch *batch);
/* Nothing that was fetched ahead, or will come, is used, nor done what was held
 * meanwhile. */
void batch_forget_prefetched(struct batch *batch);
/* Whether the action must wait for the work session; then it follows later. */
bool batch_hold(struct batch *batch, enum batch_action action);

/* How much memory there is for the batch that begins. */
void batch_measure_room(struct batch *batch);
/* It holds as many changes as there is room for. */
bool batch_has_enough(const struct batch *batch);
/* The plan as such, with whole models where it would take too much memory, and
 * on those targets. */
int batch_make_plan(struct batch *batch, uint32_t whole_targets,
    struct pgripple_error *err) MUST_CHECK;

/* A walk within the limits of the settings, that keeps count of the
 * escalations; NULL when out of memory. */
struct pgripple_walk *batch_limited_walk(struct batch *batch);
size_t batch_max_lookup_rows(const struct batch *batch);
/* One line for each relation that a limit, or a value that is not known, made
 * lead to a whole model. */
void batch_tell_escalations(const struct batch *batch);

/* Makes the plan and shares it out: to parts, and to what is postponed. */
int batch_share_out(struct batch *batch, struct pgripple_error *err) MUST_CHECK;
/* The prefix of a target. */
const char *batch_prefix(const struct batch *batch, size_t target);

/* Prints the tasks that it leaves into batch->tasks: none if it is only
 * observed. */
int batch_print_tasks(
    struct batch *batch, struct pgripple_error *err) MUST_CHECK;
/* The buffer's JSON, moved to the batch's arena; in ASCII, for the graph may
 * hold characters that the database's encoding lacks.  NULL: out of memory. */
const char *batch_keep_json(struct batch *batch, struct buf *buf);

/* Counts the present state, which ends; what was fetched; what was done. */
void batch_count_stage(const struct batch *batch);
void batch_count_fetched(
    const struct batch *batch, size_t n_rows, size_t n_bytes);
void batch_count_done(const struct batch *batch);

/* The actions; each ends in a step, now or later. */
void batch_fetch(struct batch *batch);
void batch_resolve(struct batch *batch);
void batch_look_up(struct batch *batch);
void batch_claim(struct batch *batch);
void batch_apply(struct batch *batch);
void batch_acknowledge(struct batch *batch);

#endif
