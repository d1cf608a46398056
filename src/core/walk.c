/*
 * The walk over the relation graph.
 *
 * Touched rows form a list in order of arrival; "pending" is the first that
 * was not expanded yet, so that the walk is breadth-first.  What it remembers
 * of a row is its model, the values that matter, and whether it may pass on:
 * a row that comes again with other values, or with more right to pass on, is
 * another touch.  (To remember rows by primary key alone misses the old image
 * of a row that a relation matches by another column.)
 */
#include "core/walk_private.h"

#include <string.h>

#include "base/arena.h"
#include "core/condition.h"

struct pgripple_walk *
pgripple_walk_new(
    const struct pgripple_graph *graph, const struct pgripple_limits *limits)
{
	struct pgripple_walk *walk = calloc(1, sizeof(*walk));

	if (walk == NULL)
		return NULL;
	walk->graph = graph;
	walk->limits = *limits;
	walk->arena = arena_new();
	if (walk->arena != NULL) {
		walk->by_relation = arena_array(walk->arena, graph->n_relations,
		    sizeof(*walk->by_relation));
	}
	if (walk->by_relation == NULL) {
		pgripple_walk_free(walk);
		return NULL;
	}
	walk->last = &walk->first;
	walk->pending = &walk->first;
	walk->last_asked = &walk->asked;
	return walk;
}

void
pgripple_walk_free(struct pgripple_walk *walk)
{
	if (walk == NULL)
		return;
	for (size_t i = 0;
	     walk->by_relation != NULL && i < walk->graph->n_relations; i++)
		if (walk->by_relation[i] != NULL)
			map_done(&walk->by_relation[i]->by_key);
	for (struct lookup_state *state = walk->by_hand; state != NULL;
	     state = state->next)
		map_done(&state->by_key);
	map_done(&walk->seen);
	buf_done(&walk->scratch);
	free(walk->roots);
	arena_free(walk->arena);
	free(walk);
}

struct arena *
pgripple_walk_arena(struct pgripple_walk *walk)
{
	return walk->arena;
}

size_t
pgripple_walk_size(const struct pgripple_walk *walk)
{
	return arena_size(walk->arena) + map_size(&walk->seen);
}

bool
pgripple_walk_is_full(const struct pgripple_walk *walk)
{
	return walk->limits.bytes != 0 &&
	       pgripple_walk_size(walk) >= walk->limits.bytes;
}

/* Escalations. */

const char *
pgripple_cause_name(enum pgripple_cause cause)
{
	switch (cause) {
	case PGRIPPLE_CAUSE_UNKNOWN_VALUE:
		return "unknown value";
	case PGRIPPLE_CAUSE_TOUCHED_ROWS:
		return "touched rows";
	case PGRIPPLE_CAUSE_LOOKUP_ROWS:
		return "lookup rows";
	case PGRIPPLE_CAUSE_LOOKUP_KEYS:
		return "lookup keys";
	case PGRIPPLE_CAUSE_MEMORY:
		return "memory";
	case PGRIPPLE_CAUSE_LOOKUP_FAILED:
		return "lookup failed";
	}
	return "unknown";
}

void
pgripple_walk_on_escalation(
    struct pgripple_walk *walk, pgripple_escalation_cb callback, void *context)
{
	walk->on_escalation = callback;
	walk->escalation_context = context;
}

void
walk_note_escalation(struct pgripple_walk *walk,
    const struct pgripple_relation *relation, enum pgripple_cause cause)
{
	walk->n_escalations++;
	walk->was_full |= cause == PGRIPPLE_CAUSE_MEMORY;
	if (walk->on_escalation != NULL)
		walk->on_escalation(walk->escalation_context, relation, cause);
}

/* Identities. */

void
walk_add_value(struct buf *identity, const struct pgripple_value *value)
{
	uint32_t head = value->kind == PGRIPPLE_VALUE_TEXT
			    ? value->length
			    : UINT32_MAX - (uint32_t)value->kind;

	buf_add(identity, (const char *)&head, sizeof(head));
	if (value->kind == PGRIPPLE_VALUE_TEXT)
		buf_add(identity, value->text, value->length);
}

const struct pgripple_columns *
pgripple_touch_needed(const struct pgripple_touch *touch)
{
	if (touch->own != NULL)
		return &touch->model->needed_to_own;
	return touch->may_pass ? &touch->model->needed_to_pass
			       : &touch->model->needed_to_stop;
}

/* What makes two touches the same: also the operation and the changed columns
 * of a row's own change, since conditions look at them. */
static void
identify(struct buf *identity, const struct pgripple_touch *touch)
{
	const struct pgripple_columns *needed = pgripple_touch_needed(touch);
	struct {
		uint32_t model;
		uint8_t whole, may_pass, own, op, has_changed, unused[3];
		struct pgripple_columns changed; /* only of an own change */
	} head;

	memset(&head, 0, sizeof(head));
	head.model = (uint32_t)touch->model->index;
	head.whole = touch->whole;
	head.may_pass = touch->may_pass;
	head.own = touch->own != NULL;
	if (touch->own != NULL && !touch->whole) {
		head.op = (uint8_t)touch->own->op;
		head.has_changed = touch->own->has_changed;
		head.changed = touch->own->changed;
	}
	buf_reset(identity);
	buf_add(identity, (const char *)&head,
	    head.has_changed ? sizeof(head)
			     : offsetof(__typeof__(head), changed));
	if (touch->whole)
		return;
	for (size_t i = 0; i < touch->model->table->n_columns; i++)
		if (pgripple_columns_has(needed, i))
			walk_add_value(identity, &touch->values[i]);
}

/* Finds the identity in the scratch buffer, or makes a place for it. */
void **
walk_remember(struct pgripple_walk *walk, struct map *map)
{
	return walk->scratch.failed
		   ? NULL
		   : map_put_copy(map, walk->arena, walk->scratch.bytes,
			 walk->scratch.n, NULL);
}

/* Touches. */

static struct pgripple_touch *
find(struct pgripple_walk *walk, struct pgripple_touch like)
{
	identify(&walk->scratch, &like);
	if (walk->scratch.failed)
		return NULL;
	return map_get(&walk->seen, walk->scratch.bytes, walk->scratch.n);
}

/* A touch that already does all that this one would: one that may pass on for
 * one that may not, the whole model for a dependent row of it. */
static struct pgripple_touch *
find_stronger(struct pgripple_walk *walk, const struct pgripple_touch *wanted)
{
	struct pgripple_touch like = *wanted;
	struct pgripple_touch *found = NULL;

	if (wanted->own != NULL || walk->n_whole == 0)
		return NULL;
	if (!wanted->may_pass) {
		like.may_pass = true;
		found = wanted->whole ? find(walk, like) : NULL;
	}
	if (found == NULL && !wanted->whole) {
		like.whole = true;
		found = find(walk, like);
		if (found == NULL && like.may_pass != wanted->may_pass) {
			like.may_pass = wanted->may_pass;
			found = find(walk, like);
		}
	}
	return found;
}

bool
walk_is_covered(struct pgripple_walk *walk, const struct pgripple_touch *touch)
{
	return walk->was_full && !touch->whole &&
	       find_stronger(walk, touch) != NULL;
}

/* Changed rows are bounded by the batch; rows that depend on them are not. */
static bool
is_past_limit(struct pgripple_walk *walk, const struct pgripple_touch *wanted)
{
	return !wanted->whole && wanted->own == NULL &&
	       walk->n_touches >= walk->limits.touched_rows &&
	       find(walk, *wanted) == NULL;
}

struct pgripple_touch *
walk_add_touch(struct pgripple_walk *walk,
    const struct pgripple_relation *relation, struct pgripple_touch wanted)
{
	struct pgripple_touch *touch;
	void **place;

	if (is_past_limit(walk, &wanted)) {
		walk_note_escalation(
		    walk, relation, PGRIPPLE_CAUSE_TOUCHED_ROWS);
		wanted.whole = true;
		wanted.values = NULL;
	}
	touch = find_stronger(walk, &wanted);
	if (touch != NULL)
		return touch;
	identify(&walk->scratch, &wanted);
	place = walk_remember(walk, &walk->seen);
	if (place == NULL)
		return NULL;
	if (*place != NULL)
		return *place;
	touch = arena_alloc(walk->arena, sizeof(*touch));
	if (touch == NULL)
		return NULL;
	*touch = wanted;
	*place = touch;
	*walk->last = touch;
	walk->last = &touch->next;
	walk->n_touches++;
	walk->n_whole += touch->whole;
	return touch;
}

int
walk_nomem(struct pgripple_walk *walk, struct pgripple_error *err)
{
	walk->nomem = true;
	return pgripple_error_nomem(err);
}

static int
add_arrival(struct pgripple_walk *walk, struct pgripple_arrival **list,
    struct pgripple_arrival like)
{
	struct pgripple_arrival *arrival;

	if (*list != NULL && (*list)->touch == like.touch &&
	    (*list)->key == like.key && (*list)->relation == like.relation)
		return 0;
	arrival = arena_alloc(walk->arena, sizeof(*arrival));
	if (arrival == NULL)
		return -1;
	*arrival = like;
	arrival->next = *list;
	*list = arrival;
	return 0;
}

int
walk_arrive(struct pgripple_walk *walk, struct pgripple_arrival **list,
    const struct pgripple_relation *relation, struct pgripple_touch *touch)
{
	struct pgripple_arrival like = {.relation = relation, .touch = touch};

	return touch == NULL ? -1 : add_arrival(walk, list, like);
}

int
walk_arrive_at_key(struct pgripple_walk *walk, struct pgripple_arrival **list,
    const struct pgripple_relation *relation, struct lookup_key *key)
{
	struct pgripple_arrival like = {.relation = relation, .key = key};

	return add_arrival(walk, list, like);
}

int
walk_reach(struct pgripple_walk *walk, struct pgripple_touch *from,
    const struct pgripple_relation *relation,
    const struct pgripple_value *values)
{
	struct pgripple_touch wanted = {
	    .model = relation->to,
	    .values = values,
	    .whole = values == NULL,
	    .may_pass = relation->transitive,
	};

	return walk_arrive(walk, &from->onward, relation,
	    walk_add_touch(walk, relation, wanted));
}

/* Changes. */

static int
add_root(struct pgripple_walk *walk, const struct pgripple_change *change,
    const struct pgripple_model *model, const struct pgripple_value *values)
{
	struct pgripple_touch wanted = {
	    .model = model,
	    .own = change,
	    .values = values,
	    .whole = values == NULL,
	    .may_pass = true,
	};

	return walk_arrive(walk, &walk->roots[walk->n_changes - 1], NULL,
	    walk_add_touch(walk, NULL, wanted));
}

static int
add_row(struct pgripple_walk *walk, const struct pgripple_change *change,
    const struct pgripple_model *model, const struct pgripple_row *row)
{
	return walk_must_find(change, model, row)
		   ? walk_find(walk, change, row)
		   : add_root(walk, change, model, row->values);
}

/* Both images of a row one after the other: what they have in common is then
 * done once. */
static int
add_roots(struct pgripple_walk *walk, const struct pgripple_change *change,
    const struct pgripple_model *model)
{
	if (change->whole)
		return add_root(walk, change, model, NULL);
	for (size_t i = 0; i < change->n_old || i < change->n_new; i++)
		if ((i < change->n_old && add_row(walk, change, model,
					      &change->old_rows[i]) < 0) ||
		    (i < change->n_new &&
			add_row(walk, change, model, &change->new_rows[i]) < 0))
			return -1;
	return 0;
}

static bool
concerns(
    const struct pgripple_change *change, const struct pgripple_model *model)
{
	return change->model == NULL || change->model == model;
}

int
pgripple_walk_add(struct pgripple_walk *walk,
    const struct pgripple_change *change, struct pgripple_error *err)
{
	if (walk->n_changes == walk->roots_capacity) {
		size_t capacity = 2 * walk->roots_capacity + 64;
		struct pgripple_arrival **roots =
		    reallocarray(walk->roots, capacity, sizeof(*walk->roots));

		if (roots == NULL)
			return walk_nomem(walk, err);
		walk->roots = roots;
		walk->roots_capacity = capacity;
	}
	walk->roots[walk->n_changes++] = NULL;
	for (size_t i = 0; i < change->table->n_models; i++) {
		const struct pgripple_model *model = change->table->models[i];

		if (concerns(change, model) &&
		    add_roots(walk, change, model) < 0)
			return walk_nomem(walk, err);
	}
	return 0;
}

/* Expansion. */

static enum pgripple_verdict
read_key(const struct pgripple_touch *touch,
    const struct pgripple_relation *relation, struct pgripple_value *ret_key,
    size_t *ret_column)
{
	enum pgripple_verdict verdict = PGRIPPLE_VERDICT_APPLIES;

	for (size_t i = 0; i < relation->n_columns; i++) {
		size_t column = relation->from_columns[i];

		ret_key[i] = touch->values[column];
		if (ret_key[i].kind == PGRIPPLE_VALUE_TEXT)
			continue;
		*ret_column = column;
		if (ret_key[i].kind == PGRIPPLE_VALUE_NULL)
			return PGRIPPLE_VERDICT_NULL;
		verdict = PGRIPPLE_VERDICT_UNKNOWN;
	}
	return verdict;
}

/* The key is read only if it is needed: not of a whole model. */
static enum pgripple_verdict
judge(const struct pgripple_touch *touch,
    const struct pgripple_relation *relation, struct pgripple_value *ret_key,
    size_t *ret_column)
{
	enum pgripple_verdict verdict;

	if (!relation->enabled)
		return PGRIPPLE_VERDICT_DISABLED;
	if (!touch->may_pass)
		return PGRIPPLE_VERDICT_STOPPED;
	verdict = condition_judge(&relation->condition, touch, ret_column);
	if (verdict != PGRIPPLE_VERDICT_APPLIES || touch->whole)
		return verdict;
	return read_key(touch, relation, ret_key, ret_column);
}

enum pgripple_verdict
pgripple_judge_relation(const struct pgripple_touch *touch,
    const struct pgripple_relation *relation, size_t *ret_column)
{
	struct pgripple_value key[PGRIPPLE_MAX_MATCH];

	return judge(touch, relation, key, ret_column);
}

/* The dependent row as far as the key tells it, which is far enough. */
static int
reach_directly(struct pgripple_walk *walk, struct pgripple_touch *from,
    const struct pgripple_relation *relation, const struct pgripple_value *key)
{
	struct pgripple_value *values = arena_array(
	    walk->arena, relation->to->table->n_columns, sizeof(*values));

	if (values == NULL)
		return -1;
	for (size_t i = 0; i < relation->n_columns; i++)
		values[relation->to_columns[i]] = key[i];
	return walk_reach(walk, from, relation, values);
}

static int
reach(struct pgripple_walk *walk, struct pgripple_touch *touch,
    const struct pgripple_relation *relation, const struct pgripple_value *key)
{
	return relation->direct ? reach_directly(walk, touch, relation, key)
				: walk_want(walk, touch, relation, key);
}

static int
follow(struct pgripple_walk *walk, struct pgripple_touch *touch,
    const struct pgripple_relation *relation)
{
	struct pgripple_value key[PGRIPPLE_MAX_MATCH];
	size_t column;

	switch (judge(touch, relation, key, &column)) {
	case PGRIPPLE_VERDICT_APPLIES:
		break;
	case PGRIPPLE_VERDICT_UNKNOWN:
		walk_note_escalation(
		    walk, relation, PGRIPPLE_CAUSE_UNKNOWN_VALUE);
		return walk_reach(walk, touch, relation, NULL);
	default:
		return 0;
	}
	if (!touch->whole && pgripple_walk_is_full(walk))
		walk_note_escalation(walk, relation, PGRIPPLE_CAUSE_MEMORY);
	else if (!touch->whole)
		return reach(walk, touch, relation, key);
	return walk_reach(walk, touch, relation, NULL);
}

int
pgripple_walk_step(struct pgripple_walk *walk, struct pgripple_error *err)
{
	if (walk->nomem)
		return pgripple_error_nomem(err);
	if (walk_end_round(walk) < 0 || walk_ask_by_hand(walk) < 0)
		return walk_nomem(walk, err);
	do {
		struct pgripple_touch *touch;

		while ((touch = *walk->pending) != NULL) {
			walk->pending = &touch->next;
			if (!touch->may_pass)
				continue; /* spares it the judgement */
			for (size_t i = 0; i < touch->model->n_out; i++)
				if (follow(walk, touch, touch->model->out[i]) <
				    0)
					return walk_nomem(walk, err);
		}
		if (walk_drop_overflown(walk, err) < 0)
			return -1;
	} while (*walk->pending != NULL);
	return walk->n_round > 0 ? PGRIPPLE_WALK_LOOKUPS : PGRIPPLE_WALK_DONE;
}

const struct pgripple_touch *
pgripple_walk_touches(const struct pgripple_walk *walk)
{
	return walk->first;
}

size_t
pgripple_walk_n_touches(const struct pgripple_walk *walk)
{
	return walk->n_touches;
}

size_t
pgripple_walk_n_escalations(const struct pgripple_walk *walk)
{
	return walk->n_escalations;
}
