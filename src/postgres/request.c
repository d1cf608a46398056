/*
 * A statement while it is put together, with its parameters.
 */
#include "postgres/request.h"

#include <stdbool.h>

struct buf *
request_value(struct request *request)
{
	return &request->values[request->n_values++];
}

void
request_done(struct request *request)
{
	buf_done(&request->sql);
	for (int i = 0; i < request->n_values; i++)
		buf_done(&request->values[i]);
}

int
request_values(const struct request *request,
    const char *values[REQUEST_MAX_VALUES], struct pgripple_error *err)
{
	bool failed = request->sql.failed;

	for (int i = 0; i < request->n_values; i++) {
		failed = failed || request->values[i].failed;
		values[i] = buf_string(&request->values[i]);
	}
	return failed ? pgripple_error_nomem(err) : 0;
}

int
request_submit(struct request *request, struct session *session, bool is_script,
    session_answer_cb answer, void *context, struct pgripple_error *err)
{
	const char *values[REQUEST_MAX_VALUES];
	int failed = request_values(request, values, err);

	if (!failed && is_script)
		failed = session_script(
		    session, request->sql.bytes, answer, context, err);
	else if (!failed)
		failed = session_query(session, request->sql.bytes,
		    request->n_values, values, answer, context, err);
	request_done(request);
	return failed;
}
