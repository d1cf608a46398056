/*
 * Rows that somebody asked for by hand, "invalidate team 42".
 *
 * Few of their columns are given.  Where rules and relations need no other, the
 * row as given does; else it is looked up by what is given, and whatever rows
 * are found start the walk.  If there are none (it was deleted), or the lookup
 * fails or finds too many, the row as given starts it: what is not known of it
 * becomes a pattern in a key, and the whole model behind a relation.
 */
#include "core/walk_private.h"

#include "base/arena.h"

bool
walk_must_find(const struct pgripple_change *change,
    const struct pgripple_model *model, const struct pgripple_row *row)
{
	if (change->op != PGRIPPLE_OP_INVALIDATE)
		return false;
	for (size_t i = 0; i < model->table->n_columns; i++)
		if (pgripple_columns_has(&model->needed_to_own, i) &&
		    row->values[i].kind == PGRIPPLE_VALUE_UNKNOWN)
			return true;
	return false;
}

int
walk_find(struct pgripple_walk *walk, const struct pgripple_change *change,
    const struct pgripple_row *row)
{
	struct asked_row *asked = arena_alloc(walk->arena, sizeof(*asked));

	if (asked == NULL)
		return -1;
	*asked = (struct asked_row){
	    .change = change,
	    .number = walk->n_changes - 1,
	    .values = row->values,
	};
	*walk->last_asked = asked;
	walk->last_asked = &asked->next;
	return 0;
}

/* Sorts the columns of a row: those given, and of them the NULL ones.  Returns
 * how many are left to look it up by. */
static size_t
sort_columns(const struct asked_row *asked, struct pgripple_columns *given,
    struct pgripple_columns *nulls)
{
	const struct pgripple_table *table = asked->change->model->table;
	size_t n = 0;

	for (size_t i = 0; i < table->n_columns; i++) {
		if (asked->values[i].kind == PGRIPPLE_VALUE_UNKNOWN)
			continue;
		pgripple_columns_add(given, i);
		if (asked->values[i].kind == PGRIPPLE_VALUE_NULL)
			pgripple_columns_add(nulls, i);
		else
			n++;
	}
	return n;
}

static bool
are_equal(const struct pgripple_columns *a, const struct pgripple_columns *b)
{
	for (size_t i = 0; i < N_ELEMENTS(a->bits); i++)
		if (a->bits[i] != b->bits[i])
			return false;
	return true;
}

static struct lookup_state *
state_new(struct pgripple_walk *walk, const struct pgripple_model *model,
    const struct pgripple_columns *given, const struct pgripple_columns *nulls)
{
	struct lookup_state *state = arena_alloc(walk->arena, sizeof(*state));

	if (state == NULL)
		return NULL;
	state->lookup.model = model;
	state->lookup.wanted = model->needed_to_own;
	state->lookup.columns = state->columns;
	state->given = *given;
	state->nulls = *nulls;
	for (size_t i = 0; i < model->table->n_columns; i++) {
		if (!pgripple_columns_has(given, i) ||
		    pgripple_columns_has(nulls, i))
			continue;
		state->columns[state->lookup.n_columns++] = i;
		pgripple_columns_add(&state->lookup.wanted, i);
	}
	state->next = walk->by_hand;
	walk->by_hand = state;
	return state;
}

/* One lookup for all rows of a model of which the same is given.  NULL: out of
 * memory. */
static struct lookup_state *
find_state(struct pgripple_walk *walk, const struct pgripple_model *model,
    const struct pgripple_columns *given, const struct pgripple_columns *nulls)
{
	for (struct lookup_state *state = walk->by_hand; state != NULL;
	     state = state->next)
		if (state->lookup.model == model &&
		    are_equal(&state->given, given) &&
		    are_equal(&state->nulls, nulls))
			return state;
	return state_new(walk, model, given, nulls);
}

/* The row as far as it is known. */
static struct pgripple_touch *
touch_as_given(struct pgripple_walk *walk, const struct asked_row *asked)
{
	struct pgripple_touch wanted = {
	    .model = asked->change->model,
	    .own = asked->change,
	    .values = asked->values,
	    .may_pass = true,
	};

	return walk_add_touch(walk, NULL, wanted);
}

static int
ask(struct pgripple_walk *walk, const struct asked_row *asked)
{
	struct pgripple_arrival **roots = &walk->roots[asked->number];
	struct pgripple_columns given = {0}, nulls = {0};
	size_t n = sort_columns(asked, &given, &nulls);
	struct pgripple_value values[PGRIPPLE_MAX_MATCH];
	struct lookup_state *state;
	struct lookup_key *key;

	if (n == 0 || n > PGRIPPLE_MAX_MATCH)
		return walk_arrive(
		    walk, roots, NULL, touch_as_given(walk, asked));
	state = find_state(walk, asked->change->model, &given, &nulls);
	if (state == NULL)
		return -1;
	for (size_t i = 0; i < n; i++)
		values[i] = asked->values[state->columns[i]];
	if (walk_ask(walk, state, values, &key) < 0)
		return -1;
	if (key->asked == NULL)
		key->asked = asked;
	return walk_arrive_at_key(walk, roots, NULL, key);
}

int
walk_ask_by_hand(struct pgripple_walk *walk)
{
	for (; walk->asked != NULL; walk->asked = walk->asked->next)
		if (ask(walk, walk->asked) < 0)
			return -1;
	walk->last_asked = &walk->asked;
	return 0;
}

int
walk_touch_asked(struct pgripple_walk *walk, struct lookup_state *state)
{
	for (size_t i = 0; i < state->lookup.n_keys; i++) {
		struct lookup_key *key = state->round[i];

		if (key->is_found)
			continue;
		key->is_found = true;
		if (walk_arrive(walk, &key->answers, NULL,
			touch_as_given(walk, key->asked)) < 0)
			return -1;
	}
	return 0;
}

/* Of the rows that were found before it broke off there may be more. */
int
walk_give_up(struct pgripple_walk *walk, struct lookup_state *state)
{
	walk->n_escalations++;
	for (size_t i = 0; i < state->lookup.n_keys; i++)
		state->round[i]->is_found = false;
	return walk_touch_asked(walk, state);
}
