/*
 * The inside of a walk, shared by walk.c (touches, expansion), walk_lookup.c,
 * walk_by_hand.c and walk_report.c.
 */
#ifndef PGRIPPLE_CORE_WALK_PRIVATE_H
#define PGRIPPLE_CORE_WALK_PRIVATE_H

#include <pgripple/walk.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/util.h"

struct lookup_key {
	struct pgripple_arrival *answers;
	uint32_t mark; /* of the last report that passed */
	const struct asked_row *asked; /* by hand; or NULL */
	bool is_found; /* by a row that has exactly these values */
};

/* A row that was asked for by hand, and is not complete. */
struct asked_row {
	const struct pgripple_change *change;
	size_t number; /* of the change */
	const struct pgripple_value *values;
	struct asked_row *next;
};

/* The lookup of one relation, or of rows asked for by hand, and what it
 * answered in earlier rounds. */
struct lookup_state {
	struct pgripple_lookup lookup;
	struct pgripple_value *keys; /* of this round: lookup.keys */
	size_t capacity;
	size_t n_rows; /* answers to this round */
	bool overflow; /* past a limit: the model is touched as a whole */
	struct map by_key;
	struct lookup_key **round; /* same order as keys */
	/* By hand: which columns are given, and which of them are NULL. */
	struct pgripple_columns given;
	struct pgripple_columns nulls;
	size_t columns[PGRIPPLE_MAX_MATCH];
	struct lookup_state *next;
};

struct pgripple_walk {
	const struct pgripple_graph *graph;
	struct pgripple_limits limits;
	struct arena *arena;
	struct map seen;
	struct buf scratch; /* the identity of a touch or key */
	struct pgripple_touch *first;
	struct pgripple_touch **last;
	struct pgripple_touch **pending;
	size_t n_touches;
	size_t n_whole; /* of them, whole models */
	size_t n_escalations;
	struct pgripple_arrival **roots; /* by change */
	size_t n_changes;
	size_t roots_capacity;
	struct lookup_state **by_relation; /* made when first needed */
	struct lookup_state *by_hand; /* a list */
	struct asked_row *asked; /* waiting for the next step */
	struct asked_row **last_asked;
	struct lookup_state **round; /* those with keys to look up */
	size_t n_round;
	size_t round_capacity;
	uint32_t last_mark;
	struct visit *spare_visits; /* of earlier reports */
	pgripple_escalation_cb on_escalation; /* may be NULL */
	void *escalation_context;
	bool was_full; /* past limits.bytes */
	bool nomem; /* sticky: what was walked so far is not complete */
};

/* "out of memory", remembered: the walk cannot go on. */
int walk_nomem(struct pgripple_walk *walk, struct pgripple_error *err);

/* Counts it, and tells who wants to know. */
void walk_note_escalation(struct pgripple_walk *walk,
    const struct pgripple_relation *relation, enum pgripple_cause cause);

/* Appends a value so that different values give different bytes. */
void walk_add_value(struct buf *identity, const struct pgripple_value *value);
/* Finds the identity in the scratch buffer, or makes a place for it; NULL when
 * out of memory. */
void **walk_remember(struct pgripple_walk *walk, struct map *map);

/* Remembers that something led to a touched row (NULL: memory ran out when it
 * was made), or to a lookup's key.  -1: out of memory. */
int walk_arrive(struct pgripple_walk *walk, struct pgripple_arrival **list,
    const struct pgripple_relation *relation, struct pgripple_touch *touch);
int walk_arrive_at_key(struct pgripple_walk *walk,
    struct pgripple_arrival **list, const struct pgripple_relation *relation,
    struct lookup_key *key);
/* The touch that was asked for, or one that does as much and more, or a new
 * one; NULL when out of memory.  The relation is that by which it was reached,
 * NULL for a row that changed itself. */
struct pgripple_touch *walk_add_touch(struct pgripple_walk *walk,
    const struct pgripple_relation *relation, struct pgripple_touch wanted);
/* Memory was short, and a touch of the whole model does all that this one of a
 * row does.  (Where it was not the row is worth an operation of its own: it is
 * done at once, and the whole model later.) */
bool walk_is_covered(
    struct pgripple_walk *walk, const struct pgripple_touch *touch);
/* A row of relation->to was reached; values NULL: all of them. */
int walk_reach(struct pgripple_walk *walk, struct pgripple_touch *from,
    const struct pgripple_relation *relation,
    const struct pgripple_value *values);

/* The row leads to whatever answers its key, in this round or before. */
int walk_want(struct pgripple_walk *walk, struct pgripple_touch *from,
    const struct pgripple_relation *relation,
    const struct pgripple_value *values);
/* The key of the lookup with these values, which is asked in this round if it
 * is new.  -1: out of memory. */
int walk_ask(struct pgripple_walk *walk, struct lookup_state *state,
    const struct pgripple_value *values, struct lookup_key **ret_key);
/* Lookups that have more keys than one may have are not asked: they are
 * escalated. */
int walk_drop_overflown(struct pgripple_walk *walk, struct pgripple_error *err);
/* -1: out of memory. */
int walk_end_round(struct pgripple_walk *walk);

/* A row that was asked for by hand; false if its own values do, so that it is
 * touched like a changed row. */
bool walk_must_find(const struct pgripple_change *change,
    const struct pgripple_model *model, const struct pgripple_row *row);
/* To be looked up in the next step.  -1: out of memory. */
int walk_find(struct pgripple_walk *walk, const struct pgripple_change *change,
    const struct pgripple_row *row);
/* Puts what waits into lookups.  -1: out of memory. */
int walk_ask_by_hand(struct pgripple_walk *walk);
/* What was asked in this round and is not found is touched as far as it is
 * known.  -1: out of memory. */
int walk_touch_asked(struct pgripple_walk *walk, struct lookup_state *state);
/* The same for all that was asked, found or not. */
int walk_give_up(struct pgripple_walk *walk, struct lookup_state *state);

#endif
