/*
 * Tasks.
 */
#include "postgres/task.h"

#include <inttypes.h>

#include "postgres/quote.h"
#include "postgres/request.h"

struct next {
	task_next_cb done;
	void *context;
};

struct finish {
	task_done_cb done;
	void *context;
};

static void
on_next(void *context, const struct session_answer *answer)
{
	struct next next = *(struct next *)context;
	struct task task;
	bool is_there = rows_count(&answer->rows) > 0;

	free(context);
	if (is_there)
		task = (struct task){
		    .id = rows_int(&answer->rows, 0, 0),
		    .operation = rows_text(&answer->rows, 0, 1),
		    .length = rows_length(&answer->rows, 0, 1),
		};
	next.done(next.context, answer->outcome, is_there ? &task : NULL,
	    answer->err);
}

/* Names of targets are no SQL, but they are quoted all the same. */
static void
print_postponed(struct request *request, const char *const *postponed, size_t n)
{
	struct buf *array = request_value(request);

	buf_add_string(&request->sql,
	    "AND coalesce(operation ->> 'target', 'default') "
	    "<> ALL ($1::text[]) ");
	array_open(array);
	for (size_t i = 0; i < n; i++)
		array_add_string(array, postponed[i]);
	array_close(array);
}

int
task_next(struct session *session, const char *schema,
    const char *const *postponed, size_t n_postponed, task_next_cb done,
    void *context, struct pgripple_error *err)
{
	struct request request = {0};
	struct next *next = malloc(sizeof(*next));

	if (next == NULL)
		return pgripple_error_nomem(err);
	*next = (struct next){done, context};
	buf_add_string(&request.sql, "UPDATE ");
	quote_identifier(&request.sql, schema);
	buf_add_string(&request.sql, ".task SET started = "
				     "coalesce(started, clock_timestamp()) "
				     "WHERE id = (SELECT id FROM ");
	quote_identifier(&request.sql, schema);
	buf_add_string(&request.sql, ".task WHERE due <= clock_timestamp() ");
	if (n_postponed > 0)
		print_postponed(&request, postponed, n_postponed);
	buf_add_string(
	    &request.sql, "ORDER BY due, id LIMIT 1) RETURNING id, operation");
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
	finish.done(finish.context, answer->outcome, answer->err);
}

static void
print_end(
    struct request *request, const char *schema, const struct task_end *end)
{
	if (end->reason == NULL) {
		buf_add_string(&request->sql, "DELETE FROM ");
		quote_identifier(&request->sql, schema);
		buf_add_string(&request->sql, ".task WHERE id = $1::bigint");
	} else {
		buf_add_string(&request->sql, "SELECT ");
		quote_identifier(&request->sql, schema);
		buf_add_string(
		    &request->sql, ".reject_task($1::bigint, $2, $3::bigint)");
	}
	buf_printf(request_value(request), "%" PRId64, end->id);
	if (end->reason == NULL)
		return;
	buf_add_string(request_value(request), end->reason);
	buf_printf(request_value(request), "%" PRId64, end->max_rejected);
}

int
task_done(struct session *session, const char *schema,
    const struct task_end *end, task_done_cb done, void *context,
    struct pgripple_error *err)
{
	struct request request = {0};
	struct finish *finish = malloc(sizeof(*finish));

	if (finish == NULL)
		return pgripple_error_nomem(err);
	*finish = (struct finish){done, context};
	print_end(&request, schema, end);
	if (request_submit(
		&request, session, false, on_finished, finish, err) != 0) {
		free(finish);
		return -1;
	}
	return 0;
}
