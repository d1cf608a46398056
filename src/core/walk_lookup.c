/*
 * The lookups of a walk.
 *
 * A relation whose target cannot be told from the values at hand collects keys
 * for its lookup.  Answers are kept by key, and rows lead to the key: so one
 * that comes to it in a later round need not ask again, and a thousand rows
 * with one key and a thousand answers take two thousand steps to remember, not
 * a million.
 */
#include "core/walk_private.h"

#include <string.h>

#include "base/arena.h"

static struct lookup_state *
lookup_state(
    struct pgripple_walk *walk, const struct pgripple_relation *relation)
{
	struct lookup_state **state = &walk->by_relation[relation->index];
	const struct pgripple_columns *needed =
	    relation->transitive ? &relation->to->needed_to_pass
				 : &relation->to->needed_to_stop;

	if (*state != NULL)
		return *state;
	*state = arena_alloc(walk->arena, sizeof(**state));
	if (*state == NULL)
		return NULL;
	(*state)->lookup.relation = relation;
	(*state)->lookup.model = relation->to;
	(*state)->lookup.columns = relation->to_columns;
	(*state)->lookup.n_columns = relation->n_columns;
	(*state)->lookup.wanted = *needed;
	/* Which of the keys a row answers is told by its own columns. */
	for (size_t i = 0; i < relation->n_columns; i++)
		pgripple_columns_add(
		    &(*state)->lookup.wanted, relation->to_columns[i]);
	return *state;
}

/* Room for one more key of this round.  What is outgrown stays in the arena,
 * a fraction of it all. */
static int
grow_round(struct pgripple_walk *walk, struct lookup_state *state)
{
	size_t n = state->lookup.n_columns;
	size_t capacity = 4 * state->capacity + 16;
	struct pgripple_value *keys;
	struct lookup_key **round;

	if (state->lookup.n_keys < state->capacity)
		return 0;
	keys = arena_array(walk->arena, capacity * n, sizeof(*keys));
	round = arena_array(walk->arena, capacity, sizeof(struct lookup_key *));
	if (keys == NULL || round == NULL)
		return -1;
	if (state->lookup.n_keys > 0) {
		memcpy(keys, state->keys,
		    state->lookup.n_keys * n * sizeof(*keys));
		memcpy(round, state->round,
		    state->lookup.n_keys * sizeof(struct lookup_key *));
	}
	state->keys = keys;
	state->round = round;
	state->capacity = capacity;
	state->lookup.keys = keys;
	return 0;
}

/* The lookup is one of this round; what is outgrown stays in the arena. */
static int
join_round(struct pgripple_walk *walk, struct lookup_state *state)
{
	if (walk->n_round == walk->round_capacity) {
		size_t capacity = 2 * walk->round_capacity + 16;
		struct lookup_state **round = arena_array(
		    walk->arena, capacity, sizeof(struct lookup_state *));

		if (round == NULL)
			return -1;
		if (walk->n_round > 0)
			memcpy(round, walk->round,
			    walk->n_round * sizeof(struct lookup_state *));
		walk->round = round;
		walk->round_capacity = capacity;
	}
	walk->round[walk->n_round++] = state;
	return 0;
}

static int
add_key(struct pgripple_walk *walk, struct lookup_state *state,
    struct lookup_key *key, const struct pgripple_value *values)
{
	size_t n = state->lookup.n_columns;

	if (state->lookup.n_keys >= walk->limits.lookup_keys)
		state->overflow = true;
	if (state->lookup.n_keys == 0 && join_round(walk, state) < 0)
		return -1;
	if (grow_round(walk, state) < 0)
		return -1;
	memcpy(&state->keys[state->lookup.n_keys * n], values,
	    n * sizeof(*values));
	state->round[state->lookup.n_keys++] = key;
	return 0;
}

int
walk_ask(struct pgripple_walk *walk, struct lookup_state *state,
    const struct pgripple_value *values, struct lookup_key **ret_key)
{
	struct lookup_key *key;
	void **place;

	buf_reset(&walk->scratch);
	for (size_t i = 0; i < state->lookup.n_columns; i++)
		walk_add_value(&walk->scratch, &values[i]);
	place = walk_remember(walk, &state->by_key);
	if (place == NULL)
		return -1;
	if (*place == NULL) {
		*place = key = arena_alloc(walk->arena, sizeof(*key));
		if (key == NULL || add_key(walk, state, key, values) < 0)
			return -1;
	}
	*ret_key = *place;
	return 0;
}

int
walk_want(struct pgripple_walk *walk, struct pgripple_touch *from,
    const struct pgripple_relation *relation,
    const struct pgripple_value *values)
{
	struct lookup_state *state = lookup_state(walk, relation);
	struct lookup_key *key;

	if (state == NULL)
		return -1;
	if (state->overflow)
		return walk_reach(walk, from, relation, NULL);
	if (walk_ask(walk, state, values, &key) < 0)
		return -1;
	return walk_arrive_at_key(walk, &from->onward, relation, key);
}

size_t
pgripple_walk_n_lookups(const struct pgripple_walk *walk)
{
	return walk->n_round;
}

const struct pgripple_lookup *
pgripple_walk_lookup(const struct pgripple_walk *walk, size_t lookup)
{
	return &walk->round[lookup]->lookup;
}

/* The key that a row answers.  Where equal values may be spelled differently
 * (numeric) it may not be found by text; the row is then told as coming from
 * the first key of the round. */
static struct lookup_key *
answered_key(struct pgripple_walk *walk, struct lookup_state *state,
    const struct pgripple_value *values)
{
	const struct pgripple_lookup *lookup = &state->lookup;
	struct lookup_key *key;

	buf_reset(&walk->scratch);
	for (size_t i = 0; i < lookup->n_columns; i++)
		walk_add_value(&walk->scratch, &values[lookup->columns[i]]);
	if (walk->scratch.failed)
		return NULL;
	key = map_get(&state->by_key, walk->scratch.bytes, walk->scratch.n);
	if (key == NULL)
		return state->round[0];
	key->is_found = true;
	return key;
}

static int
touch_whole(struct pgripple_walk *walk, struct lookup_state *state)
{
	const struct pgripple_relation *relation = state->lookup.relation;
	struct pgripple_touch wanted = {
	    .model = relation->to,
	    .whole = true,
	    .may_pass = relation->transitive,
	};
	struct pgripple_touch *touch = walk_add_touch(walk, relation, wanted);

	for (size_t i = 0; i < state->lookup.n_keys; i++)
		if (walk_arrive(
			walk, &state->round[i]->answers, relation, touch) < 0)
			return -1;
	return 0;
}

static int
escalate(struct pgripple_walk *walk, struct lookup_state *state,
    enum pgripple_cause cause, struct pgripple_error *err)
{
	int result;

	state->overflow = true;
	if (state->lookup.relation != NULL) {
		walk_note_escalation(walk, state->lookup.relation, cause);
		result = touch_whole(walk, state);
	} else {
		result = walk_give_up(walk, state);
	}
	return result < 0 ? walk_nomem(walk, err) : 0;
}

int
pgripple_walk_answer(struct pgripple_walk *walk, size_t lookup,
    const struct pgripple_row *row, struct pgripple_error *err)
{
	struct lookup_state *state = walk->round[lookup];
	const struct pgripple_relation *relation = state->lookup.relation;
	struct pgripple_touch wanted = {
	    .model = state->lookup.model,
	    .values = row->values,
	    .may_pass = relation == NULL || relation->transitive,
	};
	struct lookup_key *key;

	if (state->overflow)
		return 0;
	if (++state->n_rows > walk->limits.lookup_rows)
		return escalate(walk, state, PGRIPPLE_CAUSE_LOOKUP_ROWS, err);
	key = answered_key(walk, state, row->values);
	if (key == NULL)
		return walk_nomem(walk, err);
	if (key->asked != NULL)
		wanted.own = key->asked->change;
	if (walk_arrive(walk, &key->answers, relation,
		walk_add_touch(walk, relation, wanted)) < 0)
		return walk_nomem(walk, err);
	return 0;
}

int
pgripple_walk_overflow(
    struct pgripple_walk *walk, size_t lookup, struct pgripple_error *err)
{
	struct lookup_state *state = walk->round[lookup];

	return state->overflow
		   ? 0
		   : escalate(walk, state, PGRIPPLE_CAUSE_MEMORY, err);
}

int
pgripple_walk_escalate(
    struct pgripple_walk *walk, size_t lookup, struct pgripple_error *err)
{
	return escalate(
	    walk, walk->round[lookup], PGRIPPLE_CAUSE_LOOKUP_FAILED, err);
}

int
walk_end_round(struct pgripple_walk *walk)
{
	for (size_t i = 0; i < walk->n_round; i++) {
		struct lookup_state *state = walk->round[i];

		if (state->lookup.relation == NULL &&
		    walk_touch_asked(walk, state) < 0)
			return -1;
		state->lookup.n_keys = 0;
		state->n_rows = 0;
	}
	walk->n_round = 0;
	return 0;
}

/* Lookups that have more keys than one may have are not asked. */
int
walk_drop_overflown(struct pgripple_walk *walk, struct pgripple_error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < walk->n_round; i++) {
		if (!walk->round[i]->overflow) {
			walk->round[n++] = walk->round[i];
			continue;
		}
		if (escalate(walk, walk->round[i], PGRIPPLE_CAUSE_LOOKUP_KEYS,
			err) < 0)
			return -1;
		walk->round[i]->lookup.n_keys = 0;
	}
	walk->n_round = n;
	return 0;
}
