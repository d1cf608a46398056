/*
 * Resolving a batch: the walk, and the lookups that it needs to go on.
 */
#include "flow/batch_private.h"
#include "observe/log.h"
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
		batch_step(batch, BATCH_ON_LOOKUPS);
		break;
	default:
		batch_fail(batch, &err);
	}
}

static void
next_lookup(struct batch *batch)
{
	if (++batch->lookup < pgripple_walk_n_lookups(batch->walk))
		batch_step(batch, BATCH_ON_LOOKUPS);
	else
		batch_resolve(batch);
}

static int
answer(struct batch *batch, const struct lookup_row *rows, size_t n_rows,
    struct pgripple_error *err)
{
	const struct pgripple_lookup *lookup =
	    pgripple_walk_lookup(batch->walk, batch->lookup);

	for (size_t i = 0; i < n_rows; i++) {
		struct pgripple_row row;

		if (pgripple_row_decode(batch->arena, lookup->model->table,
			rows[i].image, rows[i].length, &row, err) < 0 ||
		    pgripple_walk_answer(
			batch->walk, batch->lookup, &row, err) < 0)
			return -1;
	}
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
		next_lookup(batch);
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
		escalate(batch, lookup_err);
	else if (answer(batch, rows, n_rows, &err) == 0)
		next_lookup(batch);
	else if (err.kind == PGRIPPLE_ERROR_INPUT)
		escalate(batch, &err);
	else
		batch_fail(batch, &err);
}

void
batch_look_up(struct batch *batch)
{
	const struct pgripple_lookup *lookup =
	    pgripple_walk_lookup(batch->walk, batch->lookup);
	struct pgripple_error err;

	if (lookup_submit(batch->peers.work, batch->graph, batch->catalog,
		lookup, batch_max_lookup_rows(batch), on_looked_up, batch,
		&err) == 0)
		return;
	if (err.kind == PGRIPPLE_ERROR_INPUT)
		escalate(batch, &err);
	else
		batch_fail(batch, &err);
}
