/*
 * The outbox.
 *
 * Rows become visible in another order than that of their ids, so nothing is
 * remembered of them but their presence: what was applied is deleted, and what
 * is there was not.
 */
#include "postgres/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <pgripple/graph.h>

#include "postgres/quote.h"
#include "postgres/replicas.h"
#include "postgres/request.h"

struct fetch {
	outbox_fetch_cb done;
	void *context;
	bool with_lsn;
};

struct claim {
	outbox_claim_cb done;
	void *context;
};

struct acknowledge {
	outbox_acknowledge_cb done;
	void *context;
};

/* ---- fetch ---- */

enum fetch_column {
	FETCH_ID,
	FETCH_XID,
	FETCH_AT,
	FETCH_COMMIT,
	FETCH_CHANGE,
	FETCH_LSN,
};

static void
add_fetch(struct request *request, const char *schema,
    const struct outbox_bounds *bounds)
{
	buf_printf(request_value(request), "%" PRId64, bounds->above_id);
	buf_printf(request_value(request), "%" PRId64, bounds->max_rows);
	buf_printf(request_value(request), "%" PRId64, bounds->max_bytes);
	buf_add_string(request_value(request), bounds->with_lsn ? "t" : "f");
	buf_add_string(&request->sql, "SELECT * FROM ");
	quote_identifier(&request->sql, schema);
	buf_add_string(&request->sql, ".fetch_changes($1, $2, $3, $4)");
}

static void
read_fetched(const struct rows *rows, size_t row, bool with_lsn,
    struct outbox_row *ret_row)
{
	*ret_row = (struct outbox_row){
	    .id = rows_int(rows, row, FETCH_ID),
	    .xid = strtoull(rows_text(rows, row, FETCH_XID), NULL, 10),
	    .wall_us = rows_int(rows, row, FETCH_AT),
	    .commit_us = rows_int(rows, row, FETCH_COMMIT),
	    .change = rows_text(rows, row, FETCH_CHANGE),
	    .length = rows_length(rows, row, FETCH_CHANGE),
	    .lsn = with_lsn ? rows_text(rows, row, FETCH_LSN) : "",
	};
}

static void
on_fetched(void *context, const struct session_answer *answer)
{
	struct fetch fetch = *(struct fetch *)context;
	size_t n = rows_count(&answer->rows);
	struct outbox_row *rows = calloc(n + 1, sizeof(*rows));
	struct pgripple_error err;

	free(context);
	if (rows == NULL) {
		pgripple_error_nomem(&err);
		fetch.done(fetch.context, SESSION_FAILED, NULL, 0, &err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		read_fetched(&answer->rows, i, fetch.with_lsn, &rows[i]);
	fetch.done(fetch.context, answer->outcome, rows, n, answer->err);
	free(rows);
}

int
outbox_fetch(struct session *session, const char *schema,
    const struct outbox_bounds *bounds, outbox_fetch_cb done, void *context,
    struct pgripple_error *err)
{
	struct request request = {0};
	struct fetch *fetch = malloc(sizeof(*fetch));

	if (fetch == NULL)
		return pgripple_error_nomem(err);
	*fetch = (struct fetch){done, context, bounds->with_lsn};
	add_fetch(&request, schema, bounds);
	if (request_submit(&request, session, false, on_fetched, fetch, err) !=
	    0) {
		free(fetch);
		return -1;
	}
	return 0;
}

/* ---- acknowledge ---- */

static void add_part(struct request *request, const char *format, ...)
    PRINTF_LIKE(2, 3);

static void
add_part(struct request *request, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(&request->sql, format, args);
	va_end(args);
}

static void
add_strings(struct request *request, const char *const *texts, size_t n)
{
	struct buf *array = request_value(request);

	array_open(array);
	for (size_t i = 0; i < n; i++)
		array_add_string(array, texts[i]);
	array_close(array);
}

static void
add_applied(struct request *request, const char *schema,
    const struct outbox_acknowledgement *acknowledgement)
{
	struct buf *ids = request_value(request);

	array_open(ids);
	for (size_t i = 0; i < acknowledgement->n_ids; i++)
		array_add_int(ids, acknowledgement->ids[i]);
	array_close(ids);
	add_part(request, "WITH gone AS (SELECT %s.acknowledge($%d) AS n)",
	    schema, request->n_values);
}

/* The rows that are kept are counted before the new ones come in, for a
 * statement does not see what it inserts. */
static void
add_rejected(struct request *request, const char *schema,
    const struct outbox_acknowledgement *acknowledgement)
{
	struct buf *ids = request_value(request);
	struct buf *reasons = request_value(request);

	array_open(ids);
	array_open(reasons);
	for (size_t i = 0; i < acknowledgement->n_rejections; i++) {
		array_add_int(ids, acknowledgement->rejections[i].id);
		array_add_string(
		    reasons, acknowledgement->rejections[i].reason);
	}
	array_close(ids);
	array_close(reasons);
	add_part(request,
	    ", bad AS (SELECT * FROM unnest($%d::bigint[], $%d::text[]) "
	    "AS bad (id, reason))"
	    ", taken AS (DELETE FROM %s.outbox AS o USING bad "
	    "WHERE o.id = bad.id "
	    "RETURNING o.id, o.xid, o.at, o.change, bad.reason)"
	    ", kept AS (INSERT INTO %s.rejected (id, xid, at, change, reason) "
	    "SELECT id, xid, at, change, reason FROM taken "
	    "ORDER BY id DESC LIMIT %" PRId64 " ON CONFLICT (id) DO NOTHING)"
	    ", dropped AS (DELETE FROM %s.rejected WHERE id = ANY (ARRAY("
	    "SELECT id FROM %s.rejected ORDER BY rejected_at DESC, id DESC "
	    "OFFSET greatest(0, %" PRId64 " - (SELECT count(*) FROM taken)))) "
	    "RETURNING id)",
	    request->n_values - 1, request->n_values, schema, schema,
	    acknowledgement->max_rejected, schema, schema,
	    acknowledgement->max_rejected);
}

/* NULL: any transaction. */
static void
print_xid(char *text, size_t size, uint64_t xid)
{
	if (xid == 0)
		(void)snprintf(text, size, "NULL");
	else
		(void)snprintf(text, size, "'%" PRIu64 "'", xid);
}

/* Three parameters: their texts, times and conditions. */
static void
add_wanted(
    struct request *request, const struct outbox_task *tasks, size_t n_tasks)
{
	struct buf *operations = request_value(request);
	struct buf *times = request_value(request);
	struct buf *rooms = request_value(request);

	array_open(operations);
	array_open(times);
	array_open(rooms);
	for (size_t i = 0; i < n_tasks; i++) {
		array_add_string(operations, tasks[i].operation);
		array_add_int(times, tasks[i].after_ms);
		array_add_int(rooms, (int64_t)tasks[i].room);
	}
	array_close(operations);
	array_close(times);
	array_close(rooms);
	add_part(request,
	    ", wanted AS (SELECT DISTINCT ON (operation) * FROM unnest("
	    "$%d::text[], $%d::bigint[], $%d::integer[]) "
	    "AS w (operation, after_ms, room))",
	    request->n_values - 2, request->n_values - 1, request->n_values);
}

/* Counts no further than it must. */
static void
add_room(struct request *request, const char *schema, int64_t max_tasks)
{
	add_part(request,
	    ", room AS (SELECT (SELECT count(*) FROM (SELECT FROM %s.task "
	    "LIMIT %" PRId64 ") AS t) + (SELECT count(*) FROM wanted "
	    "WHERE room = %d) <= %" PRId64 " AS is_there)",
	    schema, max_tasks, (int)OUTBOX_IF_ROOM, max_tasks);
}

/* A replica that goes away is waited for all the same: who reads from it may
 * not notice.  So it is remembered who was there. */
static void
add_due(struct request *request,
    const struct outbox_acknowledgement *acknowledgement)
{
	add_part(request,
	    ", due AS (SELECT w.*, clock_timestamp() + make_interval("
	    "secs => CASE after_ms WHEN %d THEN %" PRId64
	    " ELSE after_ms END / 1000.0) AS due, "
	    "CASE after_ms WHEN %d THEN NULLIF('%s', '')::pg_lsn END AS lsn, "
	    "CASE after_ms WHEN %d THEN ARRAY(SELECT pid FROM (",
	    (int)PGRIPPLE_REPEAT_REPLICAS, acknowledgement->replica_timeout_ms,
	    (int)PGRIPPLE_REPEAT_REPLICAS,
	    acknowledgement->lsn == NULL ? "" : acknowledgement->lsn,
	    (int)PGRIPPLE_REPEAT_REPLICAS);
	replicas_print(&request->sql);
	add_part(request,
	    ") AS r) END AS replicas FROM wanted AS w, room "
	    "WHERE w.room = %d OR (w.room = %d) = room.is_there)",
	    (int)OUTBOX_ALWAYS, (int)OUTBOX_IF_ROOM);
}

/* One that waits already stands for the new one too, whose transactions it
 * takes over; but not its time, if that is of a clock that was set back since.
 * least() and greatest() would pass over a NULL.  The transaction 0
 * is before them all. */
static void
add_tasks(struct request *request, const char *schema,
    const struct outbox_acknowledgement *acknowledgement)
{
	char from_xid[32];
	char to_xid[32];

	print_xid(from_xid, sizeof(from_xid), acknowledgement->from_xid);
	print_xid(to_xid, sizeof(to_xid), acknowledgement->to_xid);
	add_wanted(request, acknowledgement->tasks, acknowledgement->n_tasks);
	add_room(request, schema, acknowledgement->max_tasks);
	add_due(request, acknowledgement);
	add_part(request,
	    ", added AS (INSERT INTO %s.task AS t "
	    "(operation, due, lsn, replicas, from_xid, to_xid) "
	    "SELECT operation::json, due, lsn, replicas, "
	    "CASE after_ms WHEN 0 THEN %s ELSE '0' END::xid8, "
	    "CASE after_ms WHEN 0 THEN %s ELSE '0' END::xid8 FROM due "
	    "ON CONFLICT (md5(operation::text)) WHERE started IS NULL "
	    "DO UPDATE SET due = CASE WHEN excluded.to_xid <> '0' THEN t.due "
	    "WHEN t.created > excluded.created THEN excluded.due "
	    "ELSE greatest(t.due, excluded.due) END, "
	    "created = CASE WHEN excluded.to_xid = '0' "
	    "THEN excluded.created ELSE t.created END, "
	    "lsn = greatest(t.lsn, excluded.lsn), "
	    "replicas = CASE WHEN excluded.replicas IS NOT NULL "
	    "THEN ARRAY(SELECT unnest(t.replicas) "
	    "UNION SELECT unnest(excluded.replicas)) END, "
	    "from_xid = CASE WHEN t.from_xid IS NOT NULL "
	    "AND excluded.from_xid IS NOT NULL "
	    "THEN least(t.from_xid, excluded.from_xid) END, "
	    "to_xid = CASE WHEN t.to_xid IS NOT NULL "
	    "AND excluded.to_xid IS NOT NULL "
	    "THEN greatest(t.to_xid, excluded.to_xid) END)",
	    schema, from_xid, to_xid);
}

/* As stored, of those that are there; the statement does not see what it adds
 * itself. */
static void
add_waiting(struct request *request, const char *schema,
    const struct outbox_acknowledgement *acknowledgement)
{
	size_t n_bytes = 0;

	for (size_t i = 0; i < acknowledgement->n_tasks; i++)
		n_bytes += strlen(acknowledgement->tasks[i].operation);
	add_part(request,
	    ", waiting AS (SELECT count(*) + %zu AS n, "
	    "coalesce(sum(pg_column_size(operation)), 0) + %zu AS bytes "
	    "FROM (SELECT operation FROM %s.task LIMIT %" PRId64 ") AS t)",
	    acknowledgement->n_tasks, n_bytes, schema,
	    acknowledgement->count_tasks_to);
}

/* What nobody reads is not computed: so the pongs are counted.  A full queue
 * fails whoever notifies: then there are none. */
static void
add_answer(struct request *request, const char *schema,
    const struct outbox_acknowledgement *acknowledgement)
{
	add_part(request, " SELECT (SELECT n FROM gone)");
	if (acknowledgement->n_rejections > 0)
		add_part(request, " + (SELECT count(*) FROM taken)");
	if (acknowledgement->n_tasks > 0)
		add_part(request, ", (SELECT NOT is_there FROM room)");
	else
		add_part(request, ", false");
	if (acknowledgement->count_tasks_to > 0)
		add_part(request,
		    ", (SELECT n FROM waiting), (SELECT bytes FROM waiting)");
	else
		add_part(request, ", 0, 0");
	add_part(request, acknowledgement->n_rejections > 0
			      ? ", (SELECT count(*) FROM dropped)"
			      : ", 0");
	if (acknowledgement->state.n_marks > 0) {
		add_part(request, ", ");
		state_print_change(request, schema, &acknowledgement->state);
	}
	if (acknowledgement->is_durable)
		add_part(request,
		    ", set_config('synchronous_commit', 'local', true)");
	if (acknowledgement->n_pongs == 0)
		return;
	add_strings(request, acknowledgement->pongs, acknowledgement->n_pongs);
	add_part(request,
	    ", (SELECT count(pg_notify(%s.channel() || '_pong', key)) "
	    "FROM unnest($%d::text[]) AS key "
	    "WHERE pg_notification_queue_usage() < 0.5)",
	    schema, request->n_values);
}

static void
print_acknowledgement(struct request *request, const char *schema,
    const struct outbox_acknowledgement *acknowledgement)
{
	add_applied(request, schema, acknowledgement);
	if (acknowledgement->n_rejections > 0)
		add_rejected(request, schema, acknowledgement);
	if (acknowledgement->n_tasks > 0)
		add_tasks(request, schema, acknowledgement);
	if (acknowledgement->count_tasks_to > 0)
		add_waiting(request, schema, acknowledgement);
	add_answer(request, schema, acknowledgement);
}

static void
on_acknowledged(void *context, const struct session_answer *answer)
{
	struct acknowledge acknowledge = *(struct acknowledge *)context;
	struct outbox_acknowledged acknowledged = {0};

	free(context);
	if (answer->outcome == SESSION_DONE)
		acknowledged = (struct outbox_acknowledged){
		    .n_gone = (size_t)rows_int(&answer->rows, 0, 0),
		    .is_full = rows_bool(&answer->rows, 0, 1),
		    .n_waiting = (size_t)rows_int(&answer->rows, 0, 2),
		    .n_waiting_bytes = (size_t)rows_int(&answer->rows, 0, 3),
		    .n_dropped = (size_t)rows_int(&answer->rows, 0, 4),
		};
	acknowledged.is_claimed_by_other = state_is_claimed_by_other(answer);
	acknowledge.done(
	    acknowledge.context, answer->outcome, &acknowledged, answer->err);
}

int
outbox_acknowledge(struct session *session, const char *schema,
    const struct outbox_acknowledgement *acknowledgement,
    outbox_acknowledge_cb done, void *context, struct pgripple_error *err)
{
	struct request request = {0};
	struct buf quoted = BUF_INIT;
	struct acknowledge *acknowledge = malloc(sizeof(*acknowledge));
	int failed;

	quote_identifier(&quoted, schema);
	if (acknowledge == NULL || quoted.failed) {
		buf_done(&quoted);
		free(acknowledge);
		return pgripple_error_nomem(err);
	}
	*acknowledge = (struct acknowledge){done, context};
	print_acknowledgement(&request, quoted.bytes, acknowledgement);
	buf_done(&quoted);
	failed = request_submit(
	    &request, session, false, on_acknowledged, acknowledge, err);
	if (failed)
		free(acknowledge);
	return failed;
}

/* ---- marks ---- */

static void
on_claimed(void *context, const struct session_answer *answer)
{
	struct claim claim = *(struct claim *)context;
	size_t n = rows_count(&answer->rows);
	int64_t *ids = calloc(n + 1, sizeof(*ids));
	struct pgripple_error err;

	free(context);
	if (ids == NULL) {
		(void)pgripple_error_nomem(&err);
		claim.done(claim.context, SESSION_FAILED, NULL, 0, &err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		ids[i] = rows_int(&answer->rows, i, 0);
	claim.done(claim.context, answer->outcome, ids, n, answer->err);
	free(ids);
}

int
outbox_claim(struct session *session, const char *schema, const int64_t *ids,
    size_t n_ids, outbox_claim_cb done, void *context,
    struct pgripple_error *err)
{
	struct request request = {0};
	struct claim *claim = malloc(sizeof(*claim));
	struct buf *array = request_value(&request);

	if (claim == NULL)
		return pgripple_error_nomem(err);
	*claim = (struct claim){done, context};
	buf_add_string(&request.sql, "SELECT id FROM unnest(");
	quote_identifier(&request.sql, schema);
	buf_add_string(
	    &request.sql, ".claim_marks($1::bigint[])) AS kept (id)");
	array_open(array);
	for (size_t i = 0; i < n_ids; i++)
		array_add_int(array, ids[i]);
	array_close(array);
	if (request_submit(&request, session, false, on_claimed, claim, err) !=
	    0) {
		free(claim);
		return -1;
	}
	return 0;
}
