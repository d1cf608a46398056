/*
 * What the live database says of the graph: runs the questions of a survey,
 * one after the other, over a session or blocking.
 */
#include "postgres/catalog.h"

#include "base/arena.h"
#include "postgres/command.h"
#include "postgres/survey.h"

struct describe {
	struct session *session;
	struct survey *survey;
	catalog_describe_cb done;
	void *context;
};

const char *
catalog_watch_name(enum catalog_watch watch)
{
	switch (watch) {
	case CATALOG_UNWATCHED:
		return "unwatched";
	case CATALOG_WATCHED:
		return "watched";
	case CATALOG_DIFFERENT:
		return "different";
	case CATALOG_BROKEN:
		return "broken";
	}
	return NULL;
}

void
catalog_free(struct catalog *catalog)
{
	if (catalog == NULL)
		return;
	pgripple_errors_done(&catalog->problems);
	arena_free(catalog->arena);
	free(catalog);
}

static void
describe_free(struct describe *describe)
{
	survey_free(describe->survey);
	free(describe);
}

/* Ends it; frees it before the caller is told, who may start another. */
static void
finish(struct describe *describe, enum session_outcome outcome,
    const struct pgripple_error *err)
{
	catalog_describe_cb done = describe->done;
	void *context = describe->context;
	struct catalog *catalog = NULL;

	if (outcome == SESSION_DONE)
		catalog = survey_finish(describe->survey);
	describe_free(describe);
	done(context, outcome, catalog, err);
}

static void on_answer(void *context, const struct session_answer *answer);

/* 0, 1 if nothing is left to be asked, -1. */
static int
ask(struct describe *describe, struct pgripple_error *err)
{
	struct request request;

	if (!survey_next(describe->survey, &request))
		return 1;
	return request_submit(
	    &request, describe->session, false, on_answer, describe, err);
}

static void
on_answer(void *context, const struct session_answer *answer)
{
	struct describe *describe = context;
	struct pgripple_error err;

	if (answer->outcome != SESSION_DONE) {
		finish(describe, answer->outcome, answer->err);
		return;
	}
	if (survey_take(describe->survey, &answer->rows, &err) != 0) {
		finish(describe, SESSION_FAILED, &err);
		return;
	}
	switch (ask(describe, &err)) {
	case 0:
		break;
	case 1:
		finish(describe, SESSION_DONE, NULL);
		break;
	default:
		finish(describe, SESSION_FAILED, &err);
	}
}

int
catalog_describe_submit(struct session *session, const char *schema,
    struct pgripple_graph *graph, catalog_describe_cb done, void *context,
    struct pgripple_error *err)
{
	struct describe *describe = malloc(sizeof(*describe));

	if (describe == NULL)
		return pgripple_error_nomem(err);
	*describe = (struct describe){
	    session, survey_new(schema, graph), done, context};
	if (describe->survey == NULL) {
		describe_free(describe);
		return pgripple_error_nomem(err);
	}
	/* There is always a first question. */
	if (ask(describe, err) != 0) {
		describe_free(describe);
		return -1;
	}
	return 0;
}

static int
run_one(struct command *command, struct survey *survey, struct request *request,
    struct pgripple_error *err)
{
	const char *values[REQUEST_MAX_VALUES];
	struct rows rows;
	int failed;

	failed = request_values(request, values, err) != 0 ||
		 command_query(command, request->sql.bytes, request->n_values,
		     values, &rows, err) != 0;
	request_done(request);
	return failed ? -1 : survey_take(survey, &rows, err);
}

int
catalog_describe(struct command *command, const char *schema,
    struct pgripple_graph *graph, struct catalog **ret_catalog,
    struct pgripple_error *err)
{
	struct survey *survey = survey_new(schema, graph);
	struct request request;
	int failed = 0;

	if (survey == NULL)
		return pgripple_error_nomem(err);
	while (!failed && survey_next(survey, &request))
		failed = run_one(command, survey, &request, err);
	if (!failed)
		*ret_catalog = survey_finish(survey);
	survey_free(survey);
	return failed;
}
