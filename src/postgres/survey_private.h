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

/* Copies a value; NULL stays NULL.  Sets *failed when out of memory. */
const char *survey_keep(struct survey *survey, const struct rows *rows,
    size_t row, int column, bool *failed);

/* Questions: ask is false if there is no need to, take is told the answer. */

/* survey_tables.c: whether tables and columns are there, and their types. */
/* Parameters $1 (oids of tables) and $2 (names): one entry for each wanted
 * column of a table that exists, and $3 tells which. */
void survey_add_wanted(struct survey *survey, struct request *request);
bool survey_ask_tables(struct survey *survey, struct request *request);
int survey_take_tables(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;
bool survey_ask_columns(struct survey *survey, struct request *request);
int survey_take_columns(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;

/* survey_missing.c: names near those that are missing. */
/* The catalog named it at an earlier look: now it is gone, and nobody needs
 * it. */
bool survey_is_adopted(struct survey *survey, const struct wanted *wanted);
bool survey_ask_names(struct survey *survey, struct request *request);
int survey_take_names(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;
void survey_report_missing(struct survey *survey);
void survey_forget_dropped_columns(struct survey *survey);

/* survey_match.c: how the columns of relations are compared. */
bool survey_ask_casts(struct survey *survey, struct request *request);
int survey_take_casts(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;

/* survey_installed.c: the installed objects, what they say of values, and the
 * triggers. */
bool survey_ask_installed(struct survey *survey, struct request *request);
int survey_take_installed(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;
bool survey_ask_versions(struct survey *survey, struct request *request);
int survey_take_versions(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;
bool survey_ask_values(struct survey *survey, struct request *request);
int survey_take_values(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;
bool survey_ask_watched(struct survey *survey, struct request *request);
int survey_take_watched(struct survey *survey, const struct rows *rows,
    struct pgripple_error *err) MUST_CHECK;

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
