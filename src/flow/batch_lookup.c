/*
 * Resolving a batch: the walk, and the lookups that it needs to go on.  Those
 * of a round go together, so that a level of the graph costs one round trip.
 * If that fails they go one at a time, to see which it was.
 */
#include "flow/batch_private.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "postgres/lookup.h"

void
batch_resolve(struct batch *batch)
{
	struct pgripple_error err;

	switch (pgripple_walk_step(batch->walk, &err)) {
	case PGRIPPLE_WALK_DONE:
		batch_step(batch,
		    batch->has_marks ? BATCH_ON_MARKED : BATCH_ON_RESOLVED);
		break;
	case PGRIPPLE_WALK_LOOKUPS:
		batch->lookup = 0;
		batch->n_alone = 0;
		batch_step(batch, BATCH_ON_LOOKUPS);
		break;
	default:
		batch_fail(batch, &err);
	}
}

static void
go_on(struct batch *batch, size_t n_done)
{
	batch->lookup += n_done;
	batch->n_alone -= batch->n_alone > 0;
	if (batch->lookup < pgripple_walk_n_lookups(batch->walk))
		batch_step(batch, BATCH_ON_LOOKUPS);
	else
		batch_resolve(batch);
}

static int
answer_row(struct batch *batch, const struct lookup_row *found,
    struct pgripple_error *err)
{
	size_t number = batch->lookup + found->number;
	const struct pgripple_lookup *lookup =
	    pgripple_walk_lookup(batch->walk, number);
	struct pgripple_row row;

	if (found->image == NULL || pgripple_walk_is_full(batch->walk))
		return pgripple_walk_overflow(batch->walk, number, err);
	if (pgripple_row_decode(batch->arena, lookup->model->table,
		found->image, found->length, &row, err) < 0)
		return -1;
	return pgripple_walk_answer(batch->walk, number, &row, err);
}

static int
answer(struct batch *batch, const struct lookup_row *rows, size_t n_rows,
    struct pgripple_error *err)
{
	for (size_t i = 0; i < n_rows; i++)
		if (answer_row(batch, &rows[i], err) < 0)
			return -1;
	return 0;
}

/* The server refused the lookup, or its answer makes no sense: the dependent
 * model is touched as a whole (what was asked for by hand as far as it is
 * known), and the catalog looked at again. */
static void
escalate(struct batch *batch, const struct pgripple_error *why)
{
	const struct pgripple_lookup *lookup =
	    pgripple_walk_lookup(batch->walk, batch->lookup);
	struct pgripple_error err;

	metrics_add(METRIC_LOOKUPS, "failed", NULL, 1);
	if (lookup->relation != NULL)
		log_error_of(LOG_LEVEL_ERROR, "lookup.failed", "relation",
		    lookup->relation->name, why);
	else
		log_error_of(LOG_LEVEL_ERROR, "lookup.failed", "model",
		    lookup->model->name, why);
	batch->listener.on_drift(batch->listener.context);
	if (pgripple_walk_escalate(batch->walk, batch->lookup, &err) < 0)
		batch_fail(batch, &err);
	else
		go_on(batch, 1);
}

/* What one of several did to all of them is found out one by one. */
static void
give_up(struct batch *batch, const struct pgripple_error *why)
{
	if (batch->n_together == 1) {
		escalate(batch, why);
		return;
	}
	batch->n_alone = batch->n_together;
	batch_step(batch, BATCH_ON_LOOKUPS);
}

static void
succeed(struct batch *batch)
{
	metrics_add(METRIC_LOOKUPS, "done", NULL, (int64_t)batch->n_together);
	go_on(batch, batch->n_together);
}

static void
on_looked_up(void *context, enum session_outcome outcome,
    const struct lookup_row *rows, size_t n_rows,
    const struct pgripple_error *lookup_err)
{
	struct batch *batch = context;
	struct pgripple_error err;

	if (outcome == SESSION_LOST)
		batch_fail(batch, lookup_err);
	else if (outcome == SESSION_FAILED)
		give_up(batch, lookup_err);
	else if (answer(batch, rows, n_rows, &err) == 0)
		succeed(batch);
	else if (err.kind == PGRIPPLE_ERROR_INPUT)
		give_up(batch, &err);
	else
		batch_fail(batch, &err);
}

void
batch_look_up(struct batch *batch)
{
	struct lookup_group group = {
	    .graph = batch->graph,
	    .catalog = batch->catalog,
	    .max_rows = batch_max_lookup_rows(batch),
	    .max_bytes = batch->room.answers,
	};
	size_t n = pgripple_walk_n_lookups(batch->walk) - batch->lookup;
	struct pgripple_error err;
	int submitted;

	if (batch->n_alone > 0)
		n = 1;
	for (size_t i = 0; i < n && i < LOOKUP_MAX_GROUP; i++)
		group.lookups[group.n_lookups++] =
		    pgripple_walk_lookup(batch->walk, batch->lookup + i);
	submitted = lookup_submit_group(
	    batch->peers.work, &group, on_looked_up, batch, &err);
	batch->n_together = group.n_lookups;
	if (submitted < 0 && err.kind == PGRIPPLE_ERROR_INPUT)
		escalate(batch, &err);
	else if (submitted < 0)
		batch_fail(batch, &err);
}
