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

enum gaps_column { GAPS_KIND, GAPS_NUMBER, GAPS_TABLE, GAPS_PROBLEM };

/* The first row has the version, the second how many tables have a problem. */
#define FIRST_NEWS 2

static int
take(const struct rows *rows, struct gaps *ret_gaps, struct pgripple_error *err)
{
	size_t n = rows_count(rows);
	struct gap *news;

	if (n < FIRST_NEWS)
		return pgripple_error_set(err, PGRIPPLE_ERROR_BUG,
		    "the look at the triggers had no answer");
	news = calloc(n, sizeof(*news));
	if (news == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = FIRST_NEWS; i < n; i++)
		news[i - FIRST_NEWS] = (struct gap){
		    .table = rows_text(rows, i, GAPS_TABLE),
		    .problem = rows_text(rows, i, GAPS_PROBLEM),
		};
	*ret_gaps = (struct gaps){
	    .schema_version = (int)rows_int(rows, 0, GAPS_NUMBER),
	    .n_problems = (size_t)rows_int(rows, 1, GAPS_NUMBER),
	    .news = news,
	    .n_news = n - FIRST_NEWS,
	};
	return 0;
}

static void
on_answer(void *context, const struct session_answer *answer)
{
	struct look look = *(struct look *)context;
	struct pgripple_error err;
	struct gaps gaps;

	free(context);
	if (answer->outcome != SESSION_DONE) {
		look.done(look.context, answer->outcome, NULL, answer->err);
	} else if (take(&answer->rows, &gaps, &err) != 0) {
		look.done(look.context, SESSION_FAILED, NULL, &err);
	} else {
		look.done(look.context, SESSION_DONE, &gaps, NULL);
		free(gaps.news);
	}
}

/* Sorted, for nothing promises that the parts of a UNION come in order. */
static void
print_question(struct buf *sql, const char *schema)
{
	CLEANUP(buf_done) struct buf quoted = BUF_INIT;

	quote_identifier(&quoted, schema);
	sql->failed |= quoted.failed;
	buf_printf(sql,
	    "SELECT 1, %s.schema_version(), NULL, NULL UNION ALL "
	    "SELECT 2, count(*), NULL, NULL FROM %s.watched() "
	    "WHERE problem IS NOT NULL UNION ALL "
	    "SELECT 3, NULL, table_name, problem FROM %s.check_coverage() "
	    "ORDER BY 1",
	    buf_string(&quoted), buf_string(&quoted), buf_string(&quoted));
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
	print_question(&request.sql, schema);
	if (request_submit(&request, session, false, on_answer, look, err) !=
	    0) {
		free(look);
		return -1;
	}
	return 0;
}
