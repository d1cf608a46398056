/*
 * The walk: from changed rows to all rows that depend on them.
 *
 * Pure and breadth-first.  Where a relation needs values that are not at hand
 * the walk hands out a lookup, one for each relation and round; it goes on
 * when all of a round are answered.  Rows that were reached before with the
 * same values and no less right to pass on are not walked again, but the
 * arrival is remembered: so every change can tell what it led to.
 *
 *	walk = pgripple_walk_new(graph, limits)
 *	pgripple_walk_add(walk, change)			for each change
 *	while pgripple_walk_step(walk) == PGRIPPLE_WALK_LOOKUPS
 *		pgripple_walk_answer(walk, lookup, ...)	for each lookup and row
 */
#ifndef PGRIPPLE_WALK_H
#define PGRIPPLE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pgripple/change.h>
#include <pgripple/error.h>
#include <pgripple/graph.h>

/* Past a limit the model in question is touched as a whole. */
struct pgripple_limits {
	size_t touched_rows; /* of one walk */
	size_t lookup_rows; /* answers to one lookup */
	size_t lookup_keys; /* keys of one lookup */
	/* Of memory: the walk's, and with its plan and what is written down of
	 * that; 0: no bound. */
	size_t bytes;
	size_t plan_bytes;
};

/* A touched row: one that changed, or depends on one that did. */
struct pgripple_touch {
	const struct pgripple_model *model;
	/* The change of the row itself; NULL if it was only reached.  Of
	 * several alike, the first. */
	const struct pgripple_change *own;
	const struct pgripple_value *values; /* by column; NULL if whole */
	bool whole; /* any row of the model */
	bool may_pass; /* to the rows that depend on it */
	uint32_t mark; /* the walk's own: of the last report that passed */
	struct pgripple_arrival *onward; /* where it led, newest first */
	struct pgripple_touch *next; /* in order of arrival */
};

/* What becomes of a touched row at a relation or a rule. */
enum pgripple_verdict {
	PGRIPPLE_VERDICT_APPLIES = 0,
	PGRIPPLE_VERDICT_DISABLED, /* "enabled: false" */
	PGRIPPLE_VERDICT_STOPPED, /* the row may not pass on */
	PGRIPPLE_VERDICT_OWN_CHANGE_ONLY, /* the row did not change itself */
	PGRIPPLE_VERDICT_OPS, /* "ops" lacks the operation of the change */
	PGRIPPLE_VERDICT_UNCHANGED, /* nothing of "changed" differs */
	PGRIPPLE_VERDICT_WHERE, /* the column has none of the values */
	PGRIPPLE_VERDICT_NULL, /* the column, on the left, is NULL */
	/* The column, on the left, is not known: the whole model follows. */
	PGRIPPLE_VERDICT_UNKNOWN,
};

const char *pgripple_verdict_name(enum pgripple_verdict verdict);

/* The judgements by which the walk and the plan go, for those who want to know
 * why.  *ret_column is set where the verdict is about a column. */
enum pgripple_verdict pgripple_judge_relation(
    const struct pgripple_touch *touch,
    const struct pgripple_relation *relation, size_t *ret_column);
enum pgripple_verdict pgripple_judge_rule(const struct pgripple_touch *touch,
    const struct pgripple_rule *rule, size_t *ret_column);

/* The columns that matter of a touched row. */
const struct pgripple_columns *pgripple_touch_needed(
    const struct pgripple_touch *touch);

/* That one touched row led to another, or to all that answered the key of a
 * lookup: they are kept once, however many rows came to that key. */
struct pgripple_arrival {
	const struct pgripple_relation *relation;
	struct pgripple_touch *touch; /* NULL if it was a key */
	struct lookup_key *key; /* the walk's own */
	struct pgripple_arrival *next;
};

/* What the walk must know of the database to go on: the rows of a model that
 * match one of the keys. */
struct pgripple_lookup {
	/* That leads to them; NULL: the rows were asked for by hand, and the
	 * keys are of the same columns. */
	const struct pgripple_relation *relation;
	const struct pgripple_model *model;
	const size_t *columns; /* of its table: those that match the keys */
	size_t n_columns; /* at most PGRIPPLE_MAX_MATCH */
	struct pgripple_columns wanted; /* of its table */
	/* n_keys times n_columns values, key by key; never NULL or unknown, no
	 * key twice. */
	const struct pgripple_value *keys;
	size_t n_keys;
};

struct pgripple_walk;

/* The graph must outlive the walk.  NULL when out of memory. */
struct pgripple_walk *pgripple_walk_new(
    const struct pgripple_graph *graph, const struct pgripple_limits *limits);
void pgripple_walk_free(struct pgripple_walk *walk);

/* The walk's arena: what is decoded into it lives as long as the walk. */
struct arena *pgripple_walk_arena(struct pgripple_walk *walk);

/* Adds a change of a table; it must live as long as the walk.  Changes are
 * numbered from 0 in the order of these calls.  -1: NOMEM. */
int pgripple_walk_add(struct pgripple_walk *walk,
    const struct pgripple_change *change, struct pgripple_error *err)
    PGRIPPLE_MUST_CHECK;

/* Why a walk touched a whole model instead of rows. */
enum pgripple_cause {
	PGRIPPLE_CAUSE_UNKNOWN_VALUE,
	PGRIPPLE_CAUSE_TOUCHED_ROWS, /* past limits.touched_rows */
	PGRIPPLE_CAUSE_LOOKUP_ROWS, /* past limits.lookup_rows */
	PGRIPPLE_CAUSE_LOOKUP_KEYS, /* past limits.lookup_keys */
	PGRIPPLE_CAUSE_MEMORY, /* past limits.bytes */
	PGRIPPLE_CAUSE_LOOKUP_FAILED, /* pgripple_walk_escalate() was called */
};

const char *pgripple_cause_name(enum pgripple_cause cause);

/* Called for every escalation: relation->to is touched as a whole.  For one
 * relation and cause it may be called many times. */
typedef void (*pgripple_escalation_cb)(void *context,
    const struct pgripple_relation *relation, enum pgripple_cause cause);
void pgripple_walk_on_escalation(
    struct pgripple_walk *walk, pgripple_escalation_cb callback, void *context);

enum pgripple_walk_outcome {
	PGRIPPLE_WALK_DONE = 0,
	PGRIPPLE_WALK_LOOKUPS = 1, /* all lookups of the round want answers */
};

/* Walks until nothing is left or lookups are needed.  -1: NOMEM. */
int pgripple_walk_step(struct pgripple_walk *walk, struct pgripple_error *err)
    PGRIPPLE_MUST_CHECK;

/* The lookups of this round. */
size_t pgripple_walk_n_lookups(const struct pgripple_walk *walk);
const struct pgripple_lookup *pgripple_walk_lookup(
    const struct pgripple_walk *walk, size_t lookup);

/* A row that a lookup found; its values live in the walk's arena.  Past
 * limits.lookup_rows the lookup is escalated.  -1: NOMEM. */
int pgripple_walk_answer(struct pgripple_walk *walk, size_t lookup,
    const struct pgripple_row *row, struct pgripple_error *err)
    PGRIPPLE_MUST_CHECK;
/* The lookup cannot be answered: its model is touched as a whole; rows that
 * were asked for by hand as far as they are known. */
int pgripple_walk_escalate(struct pgripple_walk *walk, size_t lookup,
    struct pgripple_error *err) PGRIPPLE_MUST_CHECK;

/* Bytes of memory that it takes, with its arena. */
size_t pgripple_walk_size(const struct pgripple_walk *walk);
/* The walk has reached limits.bytes: it goes on with whole models. */
bool pgripple_walk_is_full(const struct pgripple_walk *walk);
/* There is no room for the answers of the lookup: as if it could not be
 * answered. */
int pgripple_walk_overflow(struct pgripple_walk *walk, size_t lookup,
    struct pgripple_error *err) PGRIPPLE_MUST_CHECK;

/* All touched rows, in order of arrival. */
const struct pgripple_touch *pgripple_walk_touches(
    const struct pgripple_walk *walk);
size_t pgripple_walk_n_touches(const struct pgripple_walk *walk);
/* How often a limit, an unknown value or a failed lookup made a whole model of
 * rows. */
size_t pgripple_walk_n_escalations(const struct pgripple_walk *walk);

/* What the change of that number, or the key of a lookup, led to at once;
 * newest first.  To be called when the walk is done. */
const struct pgripple_arrival *pgripple_walk_roots(
    const struct pgripple_walk *walk, size_t change);
const struct pgripple_arrival *pgripple_walk_answers(
    const struct lookup_key *key);

/* A way through the graph that a change went, and how many rows it touched at
 * the end of it.  A cycle is folded: it leads back to where it began. */
struct pgripple_path {
	const struct pgripple_model *model;
	const struct pgripple_relation *relation; /* NULL: the change itself */
	struct pgripple_path *parent;
	size_t n_rows;
	bool whole; /* among them the whole model */
	struct pgripple_path *next;
};

/* Called for each row that a change led to, by a shortest path. */
typedef void (*pgripple_walk_report_cb)(void *context,
    const struct pgripple_touch *touch, const struct pgripple_path *path);

/* Reports what the change of that number led to: the paths (in the walk's
 * arena), and each touched row once through the callback, which may be NULL.
 * It stops after 10,000 rows, so that a line of the log has a bound.  To be
 * called when the walk is done.  -1: NOMEM. */
int pgripple_walk_report(struct pgripple_walk *walk, size_t change,
    pgripple_walk_report_cb callback, void *context,
    struct pgripple_path **ret_paths, struct pgripple_error *err)
    PGRIPPLE_MUST_CHECK;

#endif
