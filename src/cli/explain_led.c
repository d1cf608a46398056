/*
 * What led where: the walk's arrivals as the numbered rows of an explanation.
 */
#include "cli/explain.h"

static size_t
count_arrivals(const struct pgripple_arrival *arrival,
    const struct pgripple_relation *relation)
{
	size_t n = 0;

	for (; arrival != NULL; arrival = arrival->next)
		if (arrival->relation == relation)
			n += arrival->touch != NULL
				 ? 1
				 : count_arrivals(
				       pgripple_walk_answers(arrival->key),
				       relation);
	return n;
}

static void
add_arrivals(const struct explanation *explanation,
    const struct pgripple_arrival *arrival,
    const struct pgripple_relation *relation, struct explain_row **rows,
    size_t *n)
{
	for (; arrival != NULL; arrival = arrival->next) {
		if (arrival->relation != relation)
			continue;
		if (arrival->touch != NULL)
			rows[(*n)++] = map_get(&explanation->by_touch,
			    &arrival->touch, sizeof(arrival->touch));
		else
			add_arrivals(explanation,
			    pgripple_walk_answers(arrival->key), relation, rows,
			    n);
	}
}

static int
compare_rows(const void *a, const void *b)
{
	size_t first = (*(struct explain_row *const *)a)->number;
	size_t second = (*(struct explain_row *const *)b)->number;

	return (first > second) - (first < second);
}

/* Puts the rows in order, each once; returns how many are left. */
static size_t
sort_rows(struct explain_row **rows, size_t n)
{
	size_t n_kept = 0;

	if (n > 0)
		qsort(rows, n, sizeof(*rows), compare_rows);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || rows[i] != rows[i - 1])
			rows[n_kept++] = rows[i];
	return n_kept;
}

int
explain_roots(
    struct explanation *explanation, struct explain_row ***ret, size_t *ret_n)
{
	const struct pgripple_walk *walk = explanation->walk;
	struct explain_row **rows;
	size_t n = 0;

	*ret_n = 0;
	if (explanation->is_no_change)
		return 0;
	for (size_t i = 0; i < explanation->n_changes; i++)
		n += count_arrivals(pgripple_walk_roots(walk, i), NULL);
	rows = arena_array(explanation->arena, n, sizeof(struct explain_row *));
	if (rows == NULL)
		return -1;
	n = 0;
	for (size_t i = 0; i < explanation->n_changes; i++)
		add_arrivals(
		    explanation, pgripple_walk_roots(walk, i), NULL, rows, &n);
	*ret = rows;
	*ret_n = sort_rows(rows, n);
	return 0;
}

int
explain_follow(struct explanation *explanation,
    const struct pgripple_touch *touch,
    const struct pgripple_relation *relation, struct explain_led *ret_led)
{
	struct explain_led led = {.touch = touch, .relation = relation};

	led.verdict = pgripple_judge_relation(touch, relation, &led.column);
	led.rows = arena_array(explanation->arena,
	    count_arrivals(touch->onward, relation),
	    sizeof(struct explain_row *));
	if (led.rows == NULL)
		return -1;
	add_arrivals(
	    explanation, touch->onward, relation, led.rows, &led.n_rows);
	led.n_rows = sort_rows(led.rows, led.n_rows);
	for (size_t i = 0; i < led.n_rows; i++)
		led.whole |= led.rows[i]->touch->whole;
	*ret_led = led;
	return 0;
}

const char *
explain_image_name(
    const struct explanation *explanation, const struct pgripple_touch *touch)
{
	const struct pgripple_change *change = touch->own;
	const struct pgripple_arrival *root;
	size_t n = 0;

	if (change == NULL || change->op == PGRIPPLE_OP_INVALIDATE)
		return NULL;
	for (root = pgripple_walk_roots(explanation->walk, 0); root != NULL;
	     root = root->next)
		n += root->touch->model == touch->model;
	if (n == 1 && change->n_old > 0 && change->n_new > 0)
		return "old and new";
	return change->n_old > 0 && touch->values == change->old_rows[0].values
		   ? "old"
		   : "new";
}
