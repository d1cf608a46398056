/*
 * What is counted of a batch: in its end, once for all that it holds, so that a
 * change costs next to nothing.
 */
#include <string.h>

#include "base/arena.h"
#include "flow/batch_private.h"
#include "flow/targets.h"
#include "observe/metrics.h"

void
batch_count_stage(const struct batch *batch)
{
	if (batch->state != BATCH_IDLE && batch->state != BATCH_PAUSING)
		metrics_observe(METRIC_STAGE, batch_state_name(batch->state),
		    batch->entered_us - batch->stage_us, 1);
}

void
batch_count_fetched(const struct batch *batch, size_t n_rows, size_t n_bytes)
{
	if ((int64_t)n_rows >= batch->settings->limits.batch_rows)
		metrics_add(METRIC_LIMITS, "limits.batch_rows", NULL, 1);
	else if ((int64_t)n_bytes >= batch->settings->limits.batch_bytes)
		metrics_add(METRIC_LIMITS, "limits.batch_bytes", NULL, 1);
}

/* Changes. */

static void
count_whole(const struct pgripple_change *change)
{
	if (!change->whole)
		return;
	if (strcmp(change->whole_reason, "bulk") == 0)
		metrics_add(METRIC_LIMITS, "limits.bulk_rows", NULL, 1);
	else if (strcmp(change->whole_reason, "outbox limit") == 0)
		metrics_add(METRIC_LIMITS, "outbox_limit", NULL, 1);
}

static void
count_latency(const struct batch *batch)
{
	int64_t end_us = batch->applied_wall_us;

	if (batch->n_changes == 0)
		return;
	metrics_observe(METRIC_LATENCY, "seen", end_us - batch->fetched_wall_us,
	    (int64_t)batch->n_changes);
	for (size_t i = 0; i < batch->n_changes; i++)
		metrics_observe(METRIC_LATENCY, "trigger",
		    end_us - batch->changes[i].wall_us, 1);
	for (size_t i = 0; i < batch->n_changes; i++)
		if (batch->changes[i].commit_us > 0)
			metrics_observe(METRIC_LATENCY, "commit",
			    end_us - batch->changes[i].commit_us, 1);
}

static void
count_changes(const struct batch *batch)
{
	int64_t n_of[PGRIPPLE_OP_INVALIDATE + 1] = {0};
	int64_t n_rows = 0;

	for (size_t i = 0; i < batch->n_changes; i++) {
		const struct pgripple_change *change = &batch->changes[i];

		n_of[change->op]++;
		n_rows +=
		    (int64_t)(change->n_old > change->n_new ? change->n_old
							    : change->n_new);
		count_whole(change);
	}
	for (size_t op = 0; op < N_ELEMENTS(n_of); op++)
		if (n_of[op] > 0)
			metrics_add(METRIC_CHANGES,
			    pgripple_op_name((enum pgripple_op)op), NULL,
			    n_of[op]);
	metrics_add(METRIC_CHANGED_ROWS, NULL, NULL, n_rows);
}

/* Touched rows. */

static void
count_touches(const struct batch *batch)
{
	const struct pgripple_graph *graph = batch->graph;
	int64_t *n_rows =
	    arena_array(batch->arena, graph->n_models, sizeof(*n_rows));
	int64_t *n_led =
	    arena_array(batch->arena, graph->n_relations, sizeof(*n_led));

	if (n_rows == NULL || n_led == NULL)
		return;
	for (const struct pgripple_touch *touch =
		 pgripple_walk_touches(batch->walk);
	     touch != NULL; touch = touch->next) {
		n_rows[touch->model->index]++;
		for (const struct pgripple_arrival *at = touch->onward;
		     at != NULL; at = at->next)
			n_led[at->relation->index]++;
	}
	for (size_t i = 0; i < graph->n_models; i++)
		if (n_rows[i] > 0)
			metrics_add(METRIC_TOUCHED_ROWS, graph->models[i].name,
			    NULL, n_rows[i]);
	for (size_t i = 0; i < graph->n_relations; i++)
		if (n_led[i] > 0)
			metrics_add(METRIC_RELATION_ROWS,
			    graph->relations[i].name, NULL, n_led[i]);
}

/* Operations. */

static void
count_part(const struct batch *batch, const struct batch_part *part)
{
	int64_t n_of[PGRIPPLE_OPERATION_KINDS] = {0};

	for (size_t i = batch->n_pings; i < part->n_operations; i++)
		n_of[part->operations[i].kind]++;
	for (size_t kind = 0; kind < N_ELEMENTS(n_of); kind++)
		if (n_of[kind] > 0)
			metrics_add(METRIC_OPERATIONS,
			    pgripple_operation_kind_name(
				(enum pgripple_operation_kind)kind),
			    targets_name(batch->peers.targets, part->target),
			    n_of[kind]);
}

static void
count_operations(const struct batch *batch)
{
	for (size_t i = 0; i < batch->n_parts; i++)
		count_part(batch, &batch->parts[i]);
	for (size_t i = 0; i < batch->n_postponed; i++)
		metrics_add(METRIC_POSTPONED,
		    targets_name(
			batch->peers.targets, batch->postponed[i]->target),
		    NULL, 1);
	if (batch->n_drains > 0)
		metrics_add(METRIC_LIMITS, "limits.tag_members", NULL,
		    (int64_t)batch->n_drains);
}

void
batch_count_done(const struct batch *batch)
{
	metrics_add(METRIC_BATCHES, "done", NULL, 1);
	if (batch->n_rejections > 0)
		metrics_add(METRIC_REJECTED, "change", NULL,
		    (int64_t)batch->n_rejections);
	count_changes(batch);
	count_latency(batch);
	count_touches(batch);
	count_operations(batch);
}
