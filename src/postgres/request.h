/*
 * A request: a statement while it is put together, with its parameters.
 * Private to this folder.
 */
#ifndef PGRIPPLE_POSTGRES_REQUEST_H
#define PGRIPPLE_POSTGRES_REQUEST_H

#include "base/buf.h"
#include "base/util.h"
#include "postgres/session.h"

#define REQUEST_MAX_VALUES 32

struct request {
	struct buf sql;
	struct buf values[REQUEST_MAX_VALUES];
	int n_values;
};

/* The next parameter: filled by the caller. */
struct buf *request_value(struct request *request);
void request_done(struct request *request);

/* The parameters as texts, which live as long as the request; NOMEM if it is
 * not complete for lack of memory. */
int request_values(const struct request *request,
    const char *values[REQUEST_MAX_VALUES],
    struct pgripple_error *err) MUST_CHECK;

/* Submits it (as a script, which has no parameters, if is_script) and releases
 * it, whatever the outcome. */
int request_submit(struct request *request, struct session *session,
    bool is_script, session_answer_cb answer, void *context,
    struct pgripple_error *err) MUST_CHECK;

#endif
