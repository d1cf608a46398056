/*
 * Changes: what one statement did to one watched table, as a trigger wrote it
 * into the outbox.
 *
 *	{"table":"public.app_team","op":"update",
 *	 "old":[{"id":1,"tournament_id":7}],"new":[{"id":1,"tournament_id":8}],
 *	 "changed":["tournament_id"]}
 *
 * A value that is a JSON object stands for one that is not known.  "whole"
 * instead of images says that any row may have changed.  Unknown members are
 * skipped, so that triggers may be newer than the daemon.
 *
 * Nothing need have changed where somebody asked by hand:
 *
 *	{"op":"invalidate","model":"team","new":[{"id":1}]}
 *
 * Such a change is of one model and not of all that live on its table, and its
 * rows are told by some of their columns.
 */
#ifndef PGRIPPLE_CHANGE_H
#define PGRIPPLE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pgripple/error.h>
#include <pgripple/graph.h>

enum pgripple_value_kind {
	PGRIPPLE_VALUE_UNKNOWN,
	PGRIPPLE_VALUE_NULL,
	PGRIPPLE_VALUE_TEXT,
};

struct pgripple_value {
	enum pgripple_value_kind kind;
	uint32_t length;
	const char *text; /* bytes; terminated for convenience */
};

/* One value for each captured column of the table. */
struct pgripple_row {
	struct pgripple_value *values;
};

struct pgripple_change {
	int64_t id; /* of the outbox row; 0 if there is none */
	uint64_t xid; /* the writer's transaction; 0 if not known */
	int64_t wall_us; /* when the trigger ran; 0 if not known */
	int64_t commit_us; /* when it was committed; 0 if not known */
	enum pgripple_op op;
	const struct pgripple_table *table; /* NULL for a ping */
	const struct pgripple_model *model; /* asked for by hand; or NULL */
	bool whole; /* any row may have changed */
	const char *whole_reason; /* "bulk", "truncate", ... */
	bool drift; /* the table's columns are not those of the install */
	/* At least one image of the change differs in these; without
	 * has_changed it is not known which. */
	bool has_changed;
	struct pgripple_columns changed;
	struct pgripple_row *old_rows;
	size_t n_old;
	struct pgripple_row *new_rows;
	size_t n_new;
	const char *ping_key; /* of a ping */
};

struct arena;

enum pgripple_decode_outcome {
	PGRIPPLE_DECODE_DONE = 0,
	/* Its table is in no model: the change touches nothing. */
	PGRIPPLE_DECODE_UNWATCHED = 1,
	/* Not understood, but the table is known: *ret_change is the whole
	 * model, and *err says what was not understood. */
	PGRIPPLE_DECODE_ESCALATED = 2,
};

/* Decodes the JSON of an outbox row into the arena.  -1 with INPUT when it is
 * not even known whose change it is (to be rejected and kept), NOMEM when
 * memory ran out. */
int pgripple_change_decode(struct arena *arena,
    const struct pgripple_graph *graph, const char *json, size_t length,
    struct pgripple_change *ret_change, struct pgripple_error *err)
    PGRIPPLE_MUST_CHECK;

/* Decodes one image, {"column":value,...}: used for the answers of lookups,
 * which have the same form.  Columns that it lacks are unknown. */
int pgripple_row_decode(struct arena *arena, const struct pgripple_table *table,
    const char *json, size_t length, struct pgripple_row *ret_row,
    struct pgripple_error *err) PGRIPPLE_MUST_CHECK;

#endif
