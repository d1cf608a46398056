/*
 * The low-water mark.
 *
 *	newest id (S) -> holders (H) -> wait until none of H is left -> smallest
 *	-> tell the database, which bounds the outbox by it
 *
 * A row above the mark and not visible yet belongs to a writer who holds the
 * lock, or has not drawn its id yet.  One who drew an id up to S did so before
 * S was read, and thus held the lock when H was listed; when H is gone its row
 * is visible or never will be.  So the smallest visible id above the mark, but
 * at most S, bounds all that is still to come.  The order of the steps matters:
 * a snapshot's xmin or xmax in the place of H loses rows.
 */
#include "postgres/low_water.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "observe/log.h"
#include "postgres/quote.h"
#include "postgres/request.h"

#define PAUSE_US 1000000

enum low_water_phase {
	PHASE_NEWEST,
	PHASE_HOLDERS,
	PHASE_WAIT,
	PHASE_SMALLEST,
	PHASE_TELL,
};

struct low_water {
	char *schema;
	int64_t mark;
	bool has_reason;
	enum low_water_phase phase;
	int64_t stepped_us; /* monotonic */
	int64_t newest; /* S */
	char *holders; /* H: an array of virtual transactions, as text */
	bool is_stale; /* reset while a step was under way */
	low_water_cb done;
	void *context;
};

int
low_water_new(const char *schema, struct low_water **ret_low_water,
    struct pgripple_error *err)
{
	struct low_water *low_water = calloc(1, sizeof(*low_water));

	if (low_water == NULL)
		return pgripple_error_nomem(err);
	low_water->schema = strdup(schema);
	if (low_water->schema == NULL) {
		free(low_water);
		return pgripple_error_nomem(err);
	}
	*ret_low_water = low_water;
	return 0;
}

void
low_water_free(struct low_water *low_water)
{
	if (low_water == NULL)
		return;
	free(low_water->schema);
	free(low_water->holders);
	free(low_water);
}

int64_t
low_water_mark(const struct low_water *low_water)
{
	return low_water->mark;
}

void
low_water_reset(struct low_water *low_water)
{
	low_water->mark = 0;
	low_water->phase = PHASE_NEWEST;
	low_water->is_stale = true;
	low_water->has_reason = true;
}

void
low_water_touch(struct low_water *low_water)
{
	low_water->has_reason = true;
}

bool
low_water_is_due(const struct low_water *low_water)
{
	bool is_under_way = low_water->phase != PHASE_NEWEST;

	return (low_water->has_reason || is_under_way) &&
	       (low_water->phase == PHASE_HOLDERS ||
		   low_water->phase == PHASE_SMALLEST ||
		   low_water->phase == PHASE_TELL ||
		   clock_monotonic_us() - low_water->stepped_us >= PAUSE_US);
}

/* The virtual transactions that hold the lock, of which those that are only
 * prepared have a place too ("-1/..."). */
static void
print_holders(struct request *request, const struct low_water *low_water)
{
	buf_add_string(&request->sql,
	    "FROM pg_locks AS l WHERE l.locktype = 'relation' "
	    "AND l.mode = 'RowExclusiveLock' "
	    "AND l.database = (SELECT oid FROM pg_database "
	    "WHERE datname = current_database()) AND l.relation = '");
	quote_identifier(&request->sql, low_water->schema);
	buf_add_string(&request->sql, ".outbox'::regclass");
}

static void
print_step(struct request *request, const struct low_water *low_water)
{
	struct buf *sql = &request->sql;

	switch (low_water->phase) {
	case PHASE_NEWEST:
		buf_add_string(sql, "SELECT CASE WHEN is_called "
				    "THEN last_value ELSE 0 END FROM ");
		quote_identifier(sql, low_water->schema);
		buf_add_string(sql, ".outbox_id_seq");
		break;
	case PHASE_HOLDERS:
		buf_add_string(sql, "SELECT coalesce(array_agg(DISTINCT "
				    "l.virtualtransaction), '{}') ");
		print_holders(request, low_water);
		break;
	case PHASE_WAIT:
		buf_add_string(sql, "SELECT count(*) ");
		print_holders(request, low_water);
		buf_add_string(
		    sql, " AND l.virtualtransaction = ANY ($1::text[])");
		buf_add_string(request_value(request), low_water->holders);
		break;
	case PHASE_SMALLEST:
		buf_add_string(sql, "SELECT coalesce((SELECT id - 1 FROM ");
		quote_identifier(sql, low_water->schema);
		buf_printf(sql,
		    ".outbox WHERE id > %" PRId64
		    " ORDER BY id LIMIT 1), %" PRId64 ")",
		    low_water->mark, low_water->newest);
		break;
	case PHASE_TELL:
		buf_add_string(sql, "SELECT ");
		quote_identifier(sql, low_water->schema);
		buf_printf(
		    sql, ".measure_outbox(%" PRId64 ")", low_water->mark);
		break;
	}
}

static void
take_newest(struct low_water *low_water, const struct rows *rows)
{
	low_water->newest = rows_int(rows, 0, 0);
	/* The sequence began anew: another outbox, or a restored one. */
	if (low_water->newest < low_water->mark)
		low_water->mark = 0;
	low_water->has_reason = false;
	low_water->phase = PHASE_HOLDERS;
}

static void
take_holders(struct low_water *low_water, const struct rows *rows)
{
	char *holders = strdup(rows_text(rows, 0, 0));

	if (holders == NULL) {
		low_water->phase = PHASE_NEWEST;
		low_water->has_reason = true;
		return;
	}
	free(low_water->holders);
	low_water->holders = holders;
	low_water->phase =
	    strcmp(low_water->holders, "{}") == 0 ? PHASE_SMALLEST : PHASE_WAIT;
}

static void
take_smallest(struct low_water *low_water, const struct rows *rows)
{
	int64_t smallest = rows_int(rows, 0, 0);

	if (smallest > low_water->newest)
		smallest = low_water->newest;
	if (smallest > low_water->mark)
		low_water->mark = smallest;
	low_water->phase = PHASE_TELL;
}

static void
take(struct low_water *low_water, const struct rows *rows)
{
	switch (low_water->phase) {
	case PHASE_NEWEST:
		take_newest(low_water, rows);
		break;
	case PHASE_HOLDERS:
		take_holders(low_water, rows);
		break;
	case PHASE_WAIT:
		if (rows_int(rows, 0, 0) == 0)
			low_water->phase = PHASE_SMALLEST;
		break;
	case PHASE_SMALLEST:
		take_smallest(low_water, rows);
		break;
	case PHASE_TELL:
		low_water->phase = PHASE_NEWEST;
		break;
	}
}

static void
on_answer(void *context, const struct session_answer *answer)
{
	struct low_water *low_water = context;

	if (answer->outcome != SESSION_DONE) {
		low_water->phase = PHASE_NEWEST;
		log_error(LOG_LEVEL_WARNING, "postgres.low_water", answer->err);
	} else if (!low_water->is_stale)
		take(low_water, &answer->rows);
	low_water->done(low_water->context);
}

int
low_water_step(struct low_water *low_water, struct session *session,
    low_water_cb done, void *context, struct pgripple_error *err)
{
	struct request request = {0};

	print_step(&request, low_water);
	low_water->done = done;
	low_water->context = context;
	low_water->is_stale = false;
	low_water->stepped_us = clock_monotonic_us();
	return request_submit(
	    &request, session, false, on_answer, low_water, err);
}
