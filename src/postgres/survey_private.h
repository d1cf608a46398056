/*
 * What the parts of a survey share.
 */
#ifndef PGRIPPLE_POSTGRES_SURVEY_PRIVATE_H
#define PGRIPPLE_POSTGRES_SURVEY_PRIVATE_H

#include "postgres/survey.h"

/* A column of the graph, or of an "ignore", in the order of the parameters. */
struct wanted {
	size_t table;
	size_t column; /* SIZE_MAX: of an "ignore" */
	const char *name;
	struct pgripple_position at;
	bool is_there;
};

struct found_table {
	uint32_t oid; /* 0: there is none */
	struct found_name *names; /* near ones, where something is missing */
};

struct found_name {
	const char *text;
	struct found_name *next;
};

struct survey {
	struct pgripple_graph *graph;
	char *quoted_schema;
	struct catalog *catalog;
	struct found_table *tables;
	struct wanted *wanted;
	size_t n_wanted;
	size_t question; /* the next one */
};

/* survey_adopt.c: what rules take from the catalog that the file leaves out.
 * First the columns of a table, then, as they are known, its one-to-one
 * fields. */
bool survey_ask_all_columns(struct survey *survey, struct request *request);
int survey_take_all_columns(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;
bool survey_ask_links(struct survey *survey, struct request *request);
int survey_take_links(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;

#endif
