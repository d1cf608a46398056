/*
 * Tasks.
 */
#include "postgres/task.h"

#include <inttypes.h>

#include "postgres/quote.h"
#include "postgres/replicas.h"
#include "postgres/request.h"

/* By the text, for what is no operation at all cannot be read as JSON. */
#define QUICK_TASKS "operation::text LIKE '{\"all\":%'"
#define LONG_TASKS "operation::text NOT LIKE '{\"all\":%'"

enum next_column { NEXT_ID, NEXT_OPERATION, NEXT_WAIT };

struct next {
	task_next_cb done;
	void *context;
};

struct finish {
	task_done_cb done;
	void *context;
};

static int64_t
read_wait_ms(const struct rows *rows)
{
	int64_t wait_ms;

	if (rows_count(rows) == 0 || rows_text(rows, 0, NEXT_WAIT) == NULL)
		return 0;
	wait_ms = rows_int(rows, 0, NEXT_WAIT);
	return wait_ms > 1 ? wait_ms : 1;
}

static void
on_next(void *context, const struct session_answer *answer)
{
	struct next next = *(struct next *)context;
	struct task_answer told = {.wait_ms = read_wait_ms(&answer->rows)};
	struct task task;

	free(context);
	if (rows_count(&answer->rows) > 0 && told.wait_ms == 0 &&
	    rows_text(&answer->rows, 0, NEXT_ID) != NULL) {
		task = (struct task){
		    .id = rows_int(&answer->rows, 0, NEXT_ID),
		    .operation = rows_text(&answer->rows, 0, NEXT_OPERATION),
		    .length = rows_length(&answer->rows, 0, NEXT_OPERATION),
		};
		told.task = &task;
	}
	next.done(next.context, answer->outcome, &told, answer->err);
}

/* What was created in the future shows that the server's clock was set back,
 * or another server's is behind: it would be late by as much, so its time is
 * counted anew.  Seen by the next question. */
static void
print_recount(struct buf *sql, const char *task)
{
	buf_printf(sql,
	    "WITH recounted AS (UPDATE %s SET created = clock_timestamp(), "
	    "due = clock_timestamp() + (due - created) "
	    "WHERE created > clock_timestamp()), ",
	    task);
}

/* "seen" is how far all replicas have come; what waited for one that is gone
 * waits until it is due.  Nothing can be seen of no replicas. */
static void
print_next(struct buf *sql, const char *task, const char *class)
{
	print_recount(sql, task);
	buf_add_string(sql, "seen AS (SELECT min(coalesce(replayed, "
			    "'0/0')) AS lsn, array_agg(pid) AS pids FROM (");
	replicas_print(sql);
	buf_printf(sql,
	    ") AS r), next AS (SELECT coalesce((SELECT id FROM %s "
	    "WHERE due <= clock_timestamp() AND %s ORDER BY due, id LIMIT 1), "
	    "(SELECT id FROM %s WHERE lsn <= (SELECT lsn FROM seen) "
	    "AND replicas <@ (SELECT pids FROM seen) AND %s "
	    "ORDER BY lsn, id LIMIT 1)) AS id), "
	    "taken AS (UPDATE %s SET started = coalesce(started, "
	    "clock_timestamp()) WHERE id = (SELECT id FROM next) "
	    "RETURNING id, operation) ",
	    task, class, task, class, task);
	buf_printf(sql,
	    "SELECT id, operation, NULL::bigint FROM taken "
	    "UNION ALL SELECT NULL, NULL, least((SELECT ceil(extract(epoch "
	    "FROM least(due, clock_timestamp() + '1h') - clock_timestamp()) "
	    "* 1000)::bigint FROM %s WHERE %s ORDER BY due LIMIT 1), "
	    "(SELECT %d FROM %s WHERE lsn IS NOT NULL AND %s LIMIT 1)) "
	    "WHERE NOT EXISTS (SELECT FROM taken)",
	    task, class, REPLICAS_POLL_MS, task, class);
}

/* Names of targets are no SQL, but they are quoted all the same. */
static void
print_class(
    struct buf *class, struct buf *names, const struct task_choice *choice)
{
	buf_add_string(class, choice->quick ? QUICK_TASKS : LONG_TASKS);
	if (choice->n_postponed > 0)
		buf_add_string(class,
		    " AND coalesce(operation ->> 'target', 'default') "
		    "<> ALL ($1::text[])");
	array_open(names);
	for (size_t i = 0; i < choice->n_postponed; i++)
		array_add_string(names, choice->postponed[i]);
	array_close(names);
}

int
task_next(struct session *session, const char *schema,
    const struct task_choice *choice, task_next_cb done, void *context,
    struct pgripple_error *err)
{
	CLEANUP(buf_done) struct buf table = BUF_INIT;
	CLEANUP(buf_done) struct buf class = BUF_INIT;
	CLEANUP(buf_done) struct buf names = BUF_INIT;
	struct request request = {0};
	struct next *next = malloc(sizeof(*next));

	if (next == NULL)
		return pgripple_error_nomem(err);
	*next = (struct next){done, context};
	quote_identifier(&table, schema);
	buf_add_string(&table, ".task");
	print_class(&class, &names, choice);
	print_next(&request.sql, buf_string(&table), buf_string(&class));
	request.sql.failed |= table.failed || class.failed || names.failed;
	if (choice->n_postponed > 0)
		buf_add_string(request_value(&request), buf_string(&names));
	if (request_submit(&request, session, false, on_next, next, err) != 0) {
		free(next);
		return -1;
	}
	return 0;
}

static void
on_finished(void *context, const struct session_answer *answer)
{
	struct finish finish = *(struct finish *)context;

	free(context);
	finish.done(finish.context, answer->outcome,
	    state_is_claimed_by_other(answer), answer->err);
}

/* They come from the same transactions as the task.  The parameter after those
 * of the end. */
static void
print_later(
    struct request *request, const char *schema, const struct task_end *end)
{
	struct buf *sql = &request->sql;

	buf_printf(sql,
	    "WITH later AS (INSERT INTO %s.task AS t "
	    "(operation, from_xid, to_xid) "
	    "SELECT l.operation::json, f.from_xid, f.to_xid "
	    "FROM %s.task AS f, unnest($%d::text[]) AS l (operation) "
	    "WHERE f.id = $1::bigint "
	    "ON CONFLICT (md5(operation::text)) WHERE started IS NULL "
	    "DO UPDATE SET from_xid = CASE WHEN t.from_xid IS NOT NULL "
	    "AND excluded.from_xid IS NOT NULL "
	    "THEN least(t.from_xid, excluded.from_xid) END, "
	    "to_xid = CASE WHEN t.to_xid IS NOT NULL "
	    "AND excluded.to_xid IS NOT NULL "
	    "THEN greatest(t.to_xid, excluded.to_xid) END) ",
	    schema, schema, end->reason == NULL ? 2 : 4);
}

static void
add_later(struct request *request, const struct task_end *end)
{
	struct buf *operations = request_value(request);

	array_open(operations);
	for (size_t i = 0; i < end->n_later; i++)
		array_add_string(operations, end->later[i]);
	array_close(operations);
}

static void
print_end(
    struct request *request, const char *schema, const struct task_end *end)
{
	buf_printf(request_value(request), "%" PRId64, end->id);
	if (end->n_later > 0)
		print_later(request, schema, end);
	if (end->reason == NULL) {
		buf_printf(&request->sql,
		    "%s gone AS (DELETE FROM %s.task WHERE id = $1::bigint "
		    "RETURNING id) SELECT (SELECT count(*) FROM gone)",
		    end->n_later > 0 ? "," : "WITH", schema);
	} else {
		buf_printf(&request->sql,
		    "SELECT %s.reject_task($1::bigint, $2, $3::bigint)",
		    schema);
		buf_add_string(request_value(request), end->reason);
		buf_printf(
		    request_value(request), "%" PRId64, end->max_rejected);
	}
	if (end->n_later > 0)
		add_later(request, end);
	if (end->state.n_marks == 0)
		return;
	buf_add_string(&request->sql, ", ");
	state_print_change(request, schema, &end->state);
}

int
task_done(struct session *session, const char *schema,
    const struct task_end *end, task_done_cb done, void *context,
    struct pgripple_error *err)
{
	CLEANUP(buf_done) struct buf quoted = BUF_INIT;
	struct request request = {0};
	struct finish *finish = malloc(sizeof(*finish));

	if (finish == NULL)
		return pgripple_error_nomem(err);
	*finish = (struct finish){done, context};
	quote_identifier(&quoted, schema);
	print_end(&request, buf_string(&quoted), end);
	request.sql.failed |= quoted.failed;
	if (request_submit(
		&request, session, false, on_finished, finish, err) != 0) {
		free(finish);
		return -1;
	}
	return 0;
}
