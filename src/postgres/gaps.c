/*
 * Gaps in the capture.
 */
#include "postgres/gaps.h"

#include "postgres/quote.h"
#include "postgres/request.h"

struct look {
	gaps_cb done;
	void *context;
};

static void
on_answer(void *context, const struct session_answer *answer)
{
	struct look look = *(struct look *)context;
	size_t n = rows_count(&answer->rows);
	struct gap *gaps = calloc(n + 1, sizeof(*gaps));
	struct pgripple_error err;

	free(context);
	if (gaps == NULL) {
		(void)pgripple_error_nomem(&err);
		look.done(look.context, SESSION_FAILED, NULL, 0, &err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		gaps[i] = (struct gap){
		    .table = rows_text(&answer->rows, i, 0),
		    .problem = rows_text(&answer->rows, i, 1),
		};
	look.done(look.context, answer->outcome, gaps, n, answer->err);
	free(gaps);
}

int
gaps_look(struct session *session, const char *schema, gaps_cb done,
    void *context, struct pgripple_error *err)
{
	struct request request = {0};
	struct look *look = malloc(sizeof(*look));

	if (look == NULL)
		return pgripple_error_nomem(err);
	*look = (struct look){done, context};
	buf_add_string(&request.sql, "SELECT table_name, problem FROM ");
	quote_identifier(&request.sql, schema);
	buf_add_string(&request.sql, ".check_coverage()");
	if (request_submit(&request, session, false, on_answer, look, err) !=
	    0) {
		free(look);
		return -1;
	}
	return 0;
}
