/*
 * A survey: the statements that look a graph up in the catalog, and what their
 * rows mean.  It does no I/O, so that the daemon can do it without blocking and
 * the command line with.  Private to this folder.
 *
 *	while (survey_next(survey, &request)) { run it; survey_take(survey,
 *rows) } catalog = survey_finish(survey)
 */
#ifndef PGRIPPLE_POSTGRES_SURVEY_H
#define PGRIPPLE_POSTGRES_SURVEY_H

#include <stdbool.h>

#include "base/util.h"
#include "postgres/catalog.h"
#include "postgres/request.h"
#include "postgres/rows.h"

struct survey;

/* The graph is borrowed.  NULL when out of memory. */
struct survey *survey_new(const char *schema, struct pgripple_graph *graph);
void survey_free(struct survey *survey);

/* Appends the question for the columns that a rule takes from the catalog:
 * (place, name, whether it is NOT NULL) of each, for the tables that the source
 * has as (oid, place). */
void survey_print_adopted(struct buf *sql, const char *source);

/* False if nothing is left to be asked. */
bool survey_next(struct survey *survey, struct request *ret_request);
/* The answer to the latest question. */
int survey_take(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;
/* Settles the graph and hands the catalog over. */
struct catalog *survey_finish(struct survey *survey);

#endif
