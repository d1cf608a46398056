/*
 * "pgripple explain": what a change would lead to, and why.
 *
 *	explain_request.c   what the words of the command say
 *	explain_change.c    that as a change, as a trigger would have written
 *	                    it
 *	explain_walk.c      the walk, with all that it tells
 *	explain_led.c       which rows led to which
 *	explain_words.c     reasons in words
 *	explain_text.c      for people
 *	explain_json.c      for programs
 *	explain_online.c    the database that is asked
 *	explain.c           the command
 *
 * All but the last two is pure: the database is asked through functions.
 */
#ifndef PGRIPPLE_CLI_EXPLAIN_H
#define PGRIPPLE_CLI_EXPLAIN_H

#include <pgripple/change.h>
#include <pgripple/plan.h>
#include <pgripple/walk.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json_read.h"
#include "base/map.h"
#include "base/util.h"
#include "postgres/table_row.h"

/* What the words of the command say; the images are objects, or NULL.  Who asks
 * by hand gives a new one, or none for the whole model. */
struct explain_request {
	enum pgripple_op op;
	const struct json *old_image;
	const struct json *new_image;
};

/* The row of the command, --old, --new and --op as given, NULL where not.  The
 * operation is told by the images where it was not given.  Everything is read
 * into the arena.  -1: CONFIG, NOMEM. */
int explain_request_read(struct arena *arena, const char *row,
    const char *old_image, const char *new_image, const char *op,
    struct explain_request *ret_request, struct pgripple_error *err) MUST_CHECK;

/* An answer to a lookup, in the arena that was given. */
struct explain_answer {
	const char *sql;
	const char **images; /* JSON, as captures have it */
	size_t n_images;
};

enum explain_look_up_outcome {
	EXPLAIN_ANSWERED = 0,
	EXPLAIN_UNANSWERED = 1, /* *err says why: the model as a whole */
};

/* The database, as far as it is asked. */
struct explain_database {
	void *context;
	/* Of the change's table, in its order. */
	const struct table_column *columns;
	size_t n_columns;
	/* See table_row_read(). */
	int (*read_row)(void *context, const char *const *keys,
	    struct arena *arena, const char **ret_image,
	    struct pgripple_error *err);
	int (*look_up)(void *context, const struct pgripple_lookup *lookup,
	    struct arena *arena, struct explain_answer *ret_answer,
	    struct pgripple_error *err);
};

/* A lookup that was asked, or would be. */
struct explain_lookup {
	/* NULL: of rows that were asked for by hand. */
	const struct pgripple_relation *relation;
	const struct pgripple_model *model;
	struct pgripple_columns missing; /* what the keys do not tell */
	size_t n_columns; /* of a key */
	const struct pgripple_value *keys; /* of the first few */
	size_t n_shown;
	size_t n_keys;
	const char *sql; /* NULL if it was not asked */
	size_t n_rows;
	const char *problem; /* NULL if it was answered */
	struct explain_lookup *next;
};

struct explain_escalation {
	const struct pgripple_relation *relation;
	enum pgripple_cause cause;
	struct explain_escalation *next;
};

/* That an operation is done once more; each time once. */
struct explain_repeat {
	int64_t after_ms; /* or PGRIPPLE_REPEAT_REPLICAS */
	struct explain_repeat *next;
};

/* An operation, and how many touched rows led to it. */
struct explain_operation {
	const char *target; /* NULL for the default one */
	struct pgripple_operation operation;
	const struct pgripple_model *model;
	/* The first that made it; NULL: "whole_model". */
	const struct pgripple_rule *rule;
	size_t n_rows;
	bool whole; /* among them a whole model */
	struct explain_repeat *repeats; /* by time */
	size_t number; /* in order of arrival */
	struct explain_operation *next;
};

/* That a touched row makes an operation. */
struct explain_deed {
	const struct pgripple_rule *rule; /* NULL: "whole_model" */
	struct explain_operation *operation;
	struct explain_deed *next;
};

struct explain_row {
	const struct pgripple_touch *touch;
	size_t number; /* from 1 */
	struct explain_deed *deeds;
	bool shown; /* of the text: its relations were printed */
};

struct explanation {
	const struct pgripple_graph *graph;
	const struct pgripple_model *model; /* NULL: any of several */
	const struct explain_database *database; /* NULL: offline */
	struct pgripple_limits limits;
	struct arena *arena; /* the walk's: owns what follows */
	struct pgripple_walk *walk;
	const char *json; /* of the only change, as in the outbox */
	const struct pgripple_change *changes;
	size_t n_changes;
	bool is_no_change; /* an update of nothing that matters */
	const char **notes;
	size_t n_notes;
	struct explain_lookup *lookups;
	struct explain_lookup **last_lookup;
	struct explain_escalation *escalations;
	struct explain_escalation **last_escalation;
	struct explain_row *rows; /* in order of arrival */
	size_t n_rows;
	struct map by_touch;
	struct explain_operation **operations; /* by kind, then of arrival */
	size_t n_operations;
};

/* Explains the change of a row of the model's table.  Without a database
 * (NULL) what is not given is not known.  -1: INPUT (an unknown column), PEER,
 * NOMEM. */
int explain_new(const struct pgripple_graph *graph,
    const struct pgripple_model *model, const struct pgripple_limits *limits,
    const struct explain_request *request,
    const struct explain_database *database, struct explanation **ret,
    struct pgripple_error *err) MUST_CHECK;
/* Explains changes together, as they lie in the outbox.  -1: INPUT (a change
 * that is not understood), PEER, NOMEM. */
int explain_new_of_changes(const struct pgripple_graph *graph,
    const struct pgripple_limits *limits, const char *const *changes,
    size_t n_changes, const struct explain_database *database,
    struct explanation **ret, struct pgripple_error *err) MUST_CHECK;
void explain_free(struct explanation *explanation);

/* Makes explanation->json and the notes on where its values come from. */
int explain_change_make(struct explanation *explanation,
    const struct explain_request *request,
    struct pgripple_error *err) MUST_CHECK;
/* One more; the text is copied.  -1: NOMEM. */
int explain_note(struct explanation *explanation, const char *format, ...)
    PRINTF_LIKE(2, 3) MUST_CHECK;

/* The whole explanation: for people, ending in a newline, and (of a single
 * change) as one JSON object. */
void explain_print_text(struct explanation *explanation, struct buf *text);
void explain_print_json(struct explanation *explanation, struct buf *json);

/* Words. */

/* Text as it is if it is plain, else in quotes with what is special escaped. */
void explain_add_text(struct buf *buf, const char *bytes, size_t n);
void explain_add_value(struct buf *buf, const struct pgripple_value *value);
/* "id, name" */
void explain_add_columns(struct buf *buf, const struct pgripple_table *table,
    const struct pgripple_columns *columns);
/* Why the condition's owner is not taken. */
void explain_add_reason(struct buf *buf, const struct pgripple_touch *touch,
    const struct pgripple_condition *condition, enum pgripple_verdict verdict,
    size_t column);
/* "key \"team:{id}\"" */
void explain_add_rule(struct buf *buf, const struct pgripple_rule *rule);
/* "unlink team:1", "unlink s:1 on sessions" */
void explain_add_operation(
    struct buf *buf, const struct explain_operation *one);
/* "2s", "replicas" */
void explain_add_repeat(struct buf *buf, int64_t after_ms);
/* Why a rule that applies has nothing to do. */
void explain_add_no_key(struct buf *buf, const struct pgripple_touch *touch,
    const struct pgripple_rule *rule);
/* Why the values at hand do not replace a lookup. */
void explain_add_lookup_reason(
    struct buf *buf, const struct explain_lookup *lookup);
void explain_add_cause(struct buf *buf, const struct explanation *explanation,
    const struct pgripple_relation *relation, enum pgripple_cause cause);

/* What led where. */

/* A touched row at one relation. */
struct explain_led {
	const struct pgripple_touch *touch;
	const struct pgripple_relation *relation;
	enum pgripple_verdict verdict;
	size_t column; /* that the verdict is about */
	struct explain_row **rows; /* to which it led, in order of arrival */
	size_t n_rows;
	bool whole; /* among them the whole model */
};

/* How a relation that was taken was followed: "looked up, 2 rows". */
void explain_add_way(struct buf *buf, const struct explanation *explanation,
    const struct explain_led *led);

/* -1: out of memory. */
int explain_follow(struct explanation *explanation,
    const struct pgripple_touch *touch,
    const struct pgripple_relation *relation,
    struct explain_led *ret_led) MUST_CHECK;
/* The rows that the changes themselves touched. */
int explain_roots(struct explanation *explanation, struct explain_row ***ret,
    size_t *ret_n) MUST_CHECK;
/* Whether "whole_model" stands for those of its rules that it replaces. */
bool explain_has_patterns(const struct pgripple_touch *touch);
/* "old", "new", "old and new", or NULL for a row that did not change itself, or
 * was asked for by hand. */
const char *explain_image_name(
    const struct explanation *explanation, const struct pgripple_touch *touch);

#endif
