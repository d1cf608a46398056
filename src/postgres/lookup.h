/*
 * Lookups: the rows that a walk must know to go on, one statement for each
 * relation and round.
 */
#ifndef PGRIPPLE_POSTGRES_LOOKUP_H
#define PGRIPPLE_POSTGRES_LOOKUP_H

#include <stddef.h>

#include <pgripple/walk.h>

#include "base/util.h"
#include "postgres/catalog.h"
#include "postgres/rows.h"
#include "postgres/session.h"

/* The image of a found row, in the form that captures have: for
 * pgripple_row_decode(). */
struct lookup_row {
	size_t number; /* of its lookup in the group */
	const char *image; /* JSON; NULL: there was no room for it */
	size_t length;
};

/* The rows are lent for the callback; there are none unless DONE.  More than
 * max_rows rows: one row more is given, and that says so.  More than max_bytes
 * bytes: the last row of the lookup has no image. */
typedef void (*lookup_cb)(void *context, enum session_outcome outcome,
    const struct lookup_row *rows, size_t n_rows,
    const struct pgripple_error *err);

/* The catalog must be that of the lookup's graph.  The lookup is borrowed for
 * the call.  -1: not accepted (PEER, NOMEM; INPUT if the catalog knew no
 * answer: to be escalated). */
int lookup_submit(struct session *session, const struct pgripple_graph *graph,
    const struct catalog *catalog, const struct pgripple_lookup *lookup,
    size_t max_rows, lookup_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;

#define LOOKUP_MAX_GROUP 16

/* Lookups that need not wait for each other. */
struct lookup_group {
	const struct pgripple_graph *graph;
	const struct catalog *catalog;
	const struct pgripple_lookup *lookups[LOOKUP_MAX_GROUP];
	size_t n_lookups;
	size_t max_rows; /* of each */
	size_t max_bytes; /* of all answers in memory; 0: no bound */
};

/* The same for all of a group, in one statement and so one round trip; if they
 * are too many, for the first ones: n_lookups becomes the number of those that
 * were sent.  If one is refused all fail.  -1: as above, because of the
 * first. */
int lookup_submit_group(struct session *session, struct lookup_group *group,
    lookup_cb done, void *context, struct pgripple_error *err) MUST_CHECK;

struct buf;
struct command;

/* The same, blocking.  Appends the statement to *ret_sql, also when the server
 * refuses it; each row is an image, in its only column.  -1: as above, or PEER
 * of the statement itself. */
int lookup_run(struct command *command, const struct pgripple_graph *graph,
    const struct catalog *catalog, const struct pgripple_lookup *lookup,
    size_t max_rows, struct buf *ret_sql, struct rows *ret_rows,
    struct pgripple_error *err) MUST_CHECK;

#endif
