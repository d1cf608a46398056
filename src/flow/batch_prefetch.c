/*
 * Fetching ahead: while a full batch is worked on, the one behind it is
 * fetched, so that neither the daemon nor Postgres waits for the other while
 * there is a backlog.
 *
 * What was fetched ahead is in the outbox all the same, and can be forgotten at
 * any time; so it is after a failure, on another connection, with another
 * configuration, and when it has waited too long.
 *
 * It begins above the last id of the batch, whose rows are there still.  What
 * becomes visible below that later on is not in it: therefore one batch in so
 * many is fetched from the low-water mark on.
 *
 * The work session runs one statement at a time.  What the batch needs it for
 * meanwhile is held until the answer is there.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "flow/batch_private.h"
#include "postgres/session.h"

#define MAX_IN_A_ROW 15
#define MAX_AGE_US INT64_C(1000000)

static void
forget_rows(struct batch_prefetch *prefetch)
{
	arena_free(prefetch->arena);
	prefetch->arena = NULL;
	prefetch->rows = NULL;
	prefetch->n_rows = 0;
}

void
batch_forget_prefetched(struct batch *batch)
{
	struct batch_prefetch *prefetch = &batch->prefetch;

	forget_rows(prefetch);
	prefetch->is_unwanted = prefetch->is_under_way;
	prefetch->has_held = false;
}

/* Keeping: the rows are lent. */

static int
copy_row(struct arena *arena, const struct outbox_row *row,
    struct outbox_row *ret_row)
{
	*ret_row = *row;
	ret_row->change = arena_copy(arena, row->change, row->length);
	ret_row->lsn = arena_strdup(arena, row->lsn);
	return ret_row->change == NULL || ret_row->lsn == NULL ? -1 : 0;
}

static int
copy_rows(struct batch_prefetch *prefetch, const struct outbox_row *rows,
    size_t n_rows)
{
	prefetch->arena = arena_new();
	if (prefetch->arena == NULL)
		return -1;
	prefetch->rows =
	    arena_array(prefetch->arena, n_rows, sizeof(*prefetch->rows));
	if (prefetch->rows == NULL)
		return -1;
	for (size_t i = 0; i < n_rows; i++)
		if (copy_row(prefetch->arena, &rows[i], &prefetch->rows[i]) < 0)
			return -1;
	prefetch->n_rows = n_rows;
	return 0;
}

static void
keep(struct batch *batch, const struct outbox_row *rows, size_t n_rows)
{
	struct batch_prefetch *prefetch = &batch->prefetch;

	if (copy_rows(prefetch, rows, n_rows) < 0)
		forget_rows(prefetch); /* for want of memory */
	prefetch->session_number = session_number(batch->peers.work);
	prefetch->came_us = clock_monotonic_us();
	prefetch->came_wall_us = clock_wall_us();
}

/* Whatever went wrong, the fetch that takes its place will tell. */
static void
on_prefetched(void *context, enum session_outcome outcome,
    const struct outbox_row *rows, size_t n_rows,
    const struct pgripple_error *err UNUSED)
{
	struct batch *batch = context;
	struct batch_prefetch *prefetch = &batch->prefetch;
	bool has_held = prefetch->has_held;

	if (outcome == SESSION_DONE && n_rows > 0 && !prefetch->is_unwanted)
		keep(batch, rows, n_rows);
	prefetch->is_under_way = false;
	prefetch->is_unwanted = false;
	prefetch->has_held = false;
	if (has_held)
		batch_act(batch, prefetch->held);
	else
		batch->listener.on_turn(batch->listener.context);
}

/* Its memory comes out of what is left for things in flight (batch_room.c): the
 * answer and the copy of it. */
static bool
has_room(const struct batch *batch, const struct outbox_bounds *bounds)
{
	return bounds->max_bytes * 2 <= (int64_t)batch->room.all / 7;
}

void
batch_prefetch(struct batch *batch, int64_t above_id)
{
	struct batch_prefetch *prefetch = &batch->prefetch;
	const struct outbox_bounds bounds = batch_bounds(batch, above_id);
	struct pgripple_error err;

	if (prefetch->n_in_a_row >= MAX_IN_A_ROW || !has_room(batch, &bounds))
		return;
	/* If it is not accepted there is none. */
	prefetch->is_under_way =
	    outbox_fetch(batch->peers.work, batch->settings->postgres.schema,
		&bounds, on_prefetched, batch, &err) == 0;
}

/* Using. */

bool
batch_hold(struct batch *batch, enum batch_action action)
{
	struct batch_prefetch *prefetch = &batch->prefetch;

	if (!prefetch->is_under_way)
		return false;
	switch (action) {
	case BATCH_LOOK_UP:
	case BATCH_CLAIM:
	case BATCH_ACKNOWLEDGE:
		prefetch->held = action;
		prefetch->has_held = true;
		return true;
	default:
		return false;
	}
}

bool
batch_take_prefetched(struct batch *batch)
{
	struct batch_prefetch *prefetch = &batch->prefetch;
	struct batch_prefetch taken = *prefetch;
	bool is_good =
	    taken.n_rows > 0 &&
	    taken.session_number == session_number(batch->peers.work) &&
	    clock_monotonic_us() - taken.came_us < MAX_AGE_US;

	prefetch->arena = NULL;
	forget_rows(prefetch);
	prefetch->n_in_a_row = is_good ? prefetch->n_in_a_row + 1 : 0;
	if (is_good)
		batch_take_rows(
		    batch, taken.rows, taken.n_rows, taken.came_wall_us);
	arena_free(taken.arena);
	return is_good;
}
