/*
 * What waits.
 *
 * All counts have a bound, so that a look costs the same however much there is.
 * Beyond it the number of ids drawn since the oldest row is the estimate: too
 * high by what was rolled back, or acknowledged out of order.
 */
#include "postgres/backlog.h"

#include <inttypes.h>

#include "postgres/quote.h"
#include "postgres/request.h"

struct look {
	backlog_cb done;
	void *context;
};

enum look_column { LOOK_COUNT, LOOK_DRAWN, LOOK_AT, LOOK_TASKS, LOOK_REJECTED };

static void
print_count(struct buf *sql, const char *schema, const char *table)
{
	buf_add_string(sql, ", (SELECT count(*) FROM (SELECT FROM ");
	quote_identifier(sql, schema);
	buf_printf(sql, ".%s LIMIT %d) AS counted)", table, BACKLOG_MAX_COUNT);
}

/* As in a fetch, the planner must not sort the whole outbox, and a time that
 * was written by hand may be any. */
static void
print_look(struct buf *sql, const char *schema, int64_t above_id)
{
	buf_add_string(sql, "SET LOCAL enable_seqscan = off;"
			    "SET LOCAL enable_bitmapscan = off;"
			    "SET LOCAL enable_sort = off;"
			    "WITH oldest AS (SELECT id, at FROM ");
	quote_identifier(sql, schema);
	buf_printf(sql,
	    ".outbox WHERE id > %" PRId64 " ORDER BY id LIMIT 1) "
	    "SELECT (SELECT count(*) FROM (SELECT FROM ",
	    above_id);
	quote_identifier(sql, schema);
	buf_printf(sql,
	    ".outbox WHERE id > %" PRId64 " LIMIT %d) AS counted), "
	    "(SELECT s.last_value - oldest.id + 1 FROM oldest, ",
	    above_id, BACKLOG_MAX_COUNT);
	quote_identifier(sql, schema);
	buf_add_string(sql,
	    ".outbox_id_seq AS s), "
	    "(SELECT (extract(epoch FROM "
	    "least(greatest(at, '1970-01-01'), '9999-12-31')) * 1000000)"
	    "::bigint FROM oldest)");
	print_count(sql, schema, "task");
	print_count(sql, schema, "rejected");
}

static void
read_backlog(const struct rows *rows, struct backlog *backlog)
{
	int64_t drawn = rows_int(rows, 0, LOOK_DRAWN);

	backlog->n_changes = rows_int(rows, 0, LOOK_COUNT);
	if (backlog->n_changes == BACKLOG_MAX_COUNT &&
	    drawn > BACKLOG_MAX_COUNT)
		backlog->n_changes = drawn;
	backlog->oldest_wall_us = rows_int(rows, 0, LOOK_AT);
	backlog->n_tasks = rows_int(rows, 0, LOOK_TASKS);
	backlog->n_rejected = rows_int(rows, 0, LOOK_REJECTED);
}

static void
on_look(void *context, const struct session_answer *answer)
{
	struct look look = *(struct look *)context;
	struct backlog backlog = {0};

	free(context);
	if (answer->outcome == SESSION_DONE)
		read_backlog(&answer->rows, &backlog);
	look.done(look.context, answer->outcome, &backlog, answer->err);
}

static void
on_pinged(void *context, const struct session_answer *answer)
{
	struct look look = *(struct look *)context;
	struct backlog backlog = {0};

	free(context);
	look.done(look.context, answer->outcome, &backlog, answer->err);
}

/* The request is released, whatever the outcome. */
static int
submit(struct session *session, struct request *request, bool is_script,
    session_answer_cb answer, const struct look *given,
    struct pgripple_error *err)
{
	struct look *look = malloc(sizeof(*look));

	if (look == NULL) {
		request_done(request);
		return pgripple_error_nomem(err);
	}
	*look = *given;
	if (request_submit(request, session, is_script, answer, look, err) == 0)
		return 0;
	free(look);
	return -1;
}

int
backlog_look(struct session *session, const char *schema, int64_t above_id,
    backlog_cb done, void *context, struct pgripple_error *err)
{
	struct request request = {0};

	print_look(&request.sql, schema, above_id);
	return submit(session, &request, true, on_look,
	    &(struct look){done, context}, err);
}

int
backlog_send_ping(struct session *session, const char *schema, const char *key,
    backlog_cb done, void *context, struct pgripple_error *err)
{
	struct request request = {0};

	buf_add_string(&request.sql, "SELECT ");
	quote_identifier(&request.sql, schema);
	buf_add_string(&request.sql, ".ping($1)");
	buf_add_string(request_value(&request), key);
	return submit(session, &request, false, on_pinged,
	    &(struct look){done, context}, err);
}
