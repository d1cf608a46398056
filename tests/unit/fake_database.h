/*
 * A database that a walk can be led through: lookups are answered by comparing
 * every row with every key.
 */
#ifndef PGRIPPLE_TESTS_FAKE_DATABASE_H
#define PGRIPPLE_TESTS_FAKE_DATABASE_H

#include <criterion/criterion.h>
#include <string.h>

#include <pgripple/plan.h>
#include <pgripple/walk.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/util.h"

struct fake_row {
	const char *table; /* in schema public */
	const char *image; /* JSON */
};

struct fake_database {
	const struct fake_row *rows;
	size_t n_rows;
	size_t n_lookups; /* asked so far */
	size_t n_keys;
};

static const struct pgripple_limits no_limits = {
    SIZE_MAX, SIZE_MAX, SIZE_MAX, 0, 0};

static inline bool
is_same_text(const struct pgripple_value *a, const struct pgripple_value *b)
{
	return a->kind == PGRIPPLE_VALUE_TEXT &&
	       b->kind == PGRIPPLE_VALUE_TEXT && a->length == b->length &&
	       memcmp(a->text, b->text, a->length) == 0;
}

static inline bool
answers_key(const struct pgripple_lookup *lookup, size_t key,
    const struct pgripple_value *values)
{
	for (size_t i = 0; i < lookup->n_columns; i++)
		if (!is_same_text(&values[lookup->columns[i]],
			&lookup->keys[key * lookup->n_columns + i]))
			return false;
	return true;
}

static inline bool
answers_lookup(
    const struct pgripple_lookup *lookup, const struct pgripple_value *values)
{
	for (size_t key = 0; key < lookup->n_keys; key++)
		if (answers_key(lookup, key, values))
			return true;
	return false;
}

/* What the header promises of keys. */
static inline void
check_keys(const struct pgripple_lookup *lookup)
{
	size_t n = lookup->n_columns;

	cr_assert_gt(lookup->n_keys, 0);
	for (size_t i = 0; i < lookup->n_keys * n; i++)
		cr_assert_eq(lookup->keys[i].kind, PGRIPPLE_VALUE_TEXT);
	for (size_t i = 0; i < lookup->n_keys; i++)
		for (size_t j = 0; j < i; j++) {
			bool same = true;

			for (size_t k = 0; k < n; k++)
				same &= is_same_text(&lookup->keys[i * n + k],
				    &lookup->keys[j * n + k]);
			cr_assert_not(same, "a key is asked twice");
		}
}

/* As the real lookup does it: only what is wanted is told. */
static inline void
hide_unwanted(const struct pgripple_lookup *lookup, struct pgripple_row *row)
{
	for (size_t i = 0; i < lookup->model->table->n_columns; i++)
		if (!pgripple_columns_has(&lookup->wanted, i))
			row->values[i].kind = PGRIPPLE_VALUE_UNKNOWN;
}

static inline void
answer_lookup(struct pgripple_walk *walk, size_t i, struct fake_database *db)
{
	const struct pgripple_lookup *lookup = pgripple_walk_lookup(walk, i);
	const struct pgripple_table *table = lookup->model->table;
	struct pgripple_error err;

	check_keys(lookup);
	db->n_lookups++;
	db->n_keys += lookup->n_keys;
	for (size_t j = 0; j < db->n_rows; j++) {
		const char *image = db->rows[j].image;
		struct pgripple_row row;

		if (strcmp(db->rows[j].table, table->name) != 0)
			continue;
		cr_assert_eq(pgripple_row_decode(pgripple_walk_arena(walk),
				 table, image, strlen(image), &row, &err),
		    0, "%s", err.text);
		if (!answers_lookup(lookup, row.values))
			continue;
		hide_unwanted(lookup, &row);
		cr_assert_eq(pgripple_walk_answer(walk, i, &row, &err), 0);
	}
}

static inline void
walk_through(struct pgripple_walk *walk, struct fake_database *db)
{
	struct pgripple_error err;
	int outcome;

	while ((outcome = pgripple_walk_step(walk, &err)) ==
	       PGRIPPLE_WALK_LOOKUPS) {
		size_t n = pgripple_walk_n_lookups(walk);

		cr_assert_gt(n, 0);
		for (size_t i = 0; i < n; i++)
			answer_lookup(walk, i, db);
	}
	cr_assert_eq(outcome, PGRIPPLE_WALK_DONE);
	cr_assert_eq(pgripple_walk_n_lookups(walk), 0);
}

static inline void
add_change(struct pgripple_walk *walk, const struct pgripple_graph *graph,
    const char *json)
{
	struct arena *arena = pgripple_walk_arena(walk);
	struct pgripple_change *change = arena_alloc(arena, sizeof(*change));
	struct pgripple_error err;

	cr_assert_eq(pgripple_change_decode(
			 arena, graph, json, strlen(json), change, &err),
	    PGRIPPLE_DECODE_DONE, "%s: %s", json, err.text);
	cr_assert_eq(pgripple_walk_add(walk, change, &err), 0);
}

static inline int
compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All operations in alphabetical order, with a space between; patterns are
 * told by "~". */
static inline const char *
print_plan(struct pgripple_walk *walk)
{
	struct arena *arena = pgripple_walk_arena(walk);
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct pgripple_plan plan;
	struct pgripple_error err;
	const char **words;

	cr_assert_eq(pgripple_plan_make(walk, 0, &plan, &err), 0);
	words = arena_array(arena, plan.n_operations, sizeof(*words));
	for (size_t i = 0; i < plan.n_operations; i++) {
		const struct pgripple_operation *operation =
		    &plan.operations[i];
		bool scan = operation->kind == PGRIPPLE_OPERATION_SCAN;

		cr_assert_eq(scan, i >= plan.n_now);
		cr_assert_eq(operation->key_length, strlen(operation->key));
		words[i] = arena_printf(
		    arena, "%s%s", scan ? "~" : "", operation->key);
	}
	if (plan.n_operations > 0)
		qsort(words, plan.n_operations, sizeof(*words), compare_words);
	for (size_t i = 0; i < plan.n_operations; i++) {
		if (i > 0)
			cr_assert_str_neq(words[i], words[i - 1]);
		buf_printf(&text, "%s%s", i > 0 ? " " : "", words[i]);
	}
	return arena_strdup(arena, buf_string(&text));
}

#endif
