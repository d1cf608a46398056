/*
 * The first steps of the layered drawing: edges that would close a cycle are
 * taken backwards, and each box gets its column: as far right as the boxes
 * that it leads to allow, unless more edges come from the left.
 */
#include "core/picture_layout.h"

#include <string.h>

#include "base/arena.h"

struct ranking {
	const struct layout *layout;
	bool *reversed;
	size_t *first; /* of each box in "out"; one more at the end */
	size_t *out; /* edges, by the box at their left */
	size_t *order; /* boxes, each after all that it leads to */
	size_t n_ordered;
};

static size_t
left(const struct ranking *r, size_t edge)
{
	const struct layout_edge *e = &r->layout->edges[edge];

	return r->reversed[edge] ? e->to : e->from;
}

static size_t
right(const struct ranking *r, size_t edge)
{
	const struct layout_edge *e = &r->layout->edges[edge];

	return r->reversed[edge] ? e->from : e->to;
}

static void
sort_edges(struct ranking *r)
{
	const struct layout *l = r->layout;

	memset(r->first, 0, (l->n_boxes + 1) * sizeof(*r->first));
	for (size_t i = 0; i < l->n_edges; i++)
		r->first[left(r, i) + 1]++;
	for (size_t i = 0; i < l->n_boxes; i++)
		r->first[i + 1] += r->first[i];
	/* first[] moves on while filling, and back after. */
	for (size_t i = 0; i < l->n_edges; i++)
		r->out[r->first[left(r, i)]++] = i;
	for (size_t i = l->n_boxes; i > 0; i--)
		r->first[i] = r->first[i - 1];
	r->first[0] = 0;
}

enum colour { WHITE, ON_STACK, DONE };

struct visit {
	enum colour *colours;
	size_t *stack;
	size_t *next; /* edge of each box */
	size_t *n_in;
};

/* Depth first from one box, without recursion: a graph may be deep. */
static void
visit_from(struct ranking *r, struct visit *v, size_t root)
{
	size_t depth = 0;

	v->stack[depth++] = root;
	v->colours[root] = ON_STACK;
	while (depth > 0) {
		size_t box = v->stack[depth - 1];
		size_t edge, to;

		if (v->next[box] == r->first[box + 1]) {
			v->colours[box] = DONE;
			r->order[r->n_ordered++] = box;
			depth--;
			continue;
		}
		edge = r->out[v->next[box]++];
		to = r->layout->edges[edge].to;
		if (v->colours[to] == ON_STACK) {
			r->reversed[edge] = true;
		} else if (v->colours[to] == WHITE) {
			v->colours[to] = ON_STACK;
			v->stack[depth++] = to;
		}
	}
}

/* Edges to a box that is still on the stack are the backward ones.  The order
 * in which boxes are done is then one in which each stands after all that it
 * leads to. */
static int
break_cycles(struct ranking *r, struct arena *arena)
{
	const struct layout *l = r->layout;
	struct visit v = {
	    arena_array(arena, l->n_boxes, sizeof(*v.colours)),
	    arena_array(arena, l->n_boxes, sizeof(*v.stack)),
	    arena_array(arena, l->n_boxes, sizeof(*v.next)),
	    arena_array(arena, l->n_boxes, sizeof(*v.n_in)),
	};

	if (v.colours == NULL || v.stack == NULL || v.next == NULL ||
	    v.n_in == NULL)
		return -1;
	memcpy(v.next, r->first, l->n_boxes * sizeof(*v.next));
	for (size_t i = 0; i < l->n_edges; i++)
		v.n_in[l->edges[i].to]++;
	/* From the natural beginnings first, then from what only cycles
	 * reach. */
	for (size_t i = 0; i < l->n_boxes; i++)
		if (v.n_in[i] == 0)
			visit_from(r, &v, i);
	for (size_t i = 0; i < l->n_boxes; i++)
		if (v.colours[i] == WHITE)
			visit_from(r, &v, i);
	return 0;
}

/* The longest way to the right of each box tells its column. */
static void
push_right(struct ranking *r, size_t *ranks)
{
	const struct layout *l = r->layout;
	size_t most = 0;

	for (size_t i = 0; i < l->n_boxes; i++) {
		size_t box = r->order[i];

		ranks[box] = 0;
		for (size_t j = r->first[box]; j < r->first[box + 1]; j++) {
			size_t to = ranks[right(r, r->out[j])];

			if (ranks[box] < to + 2)
				ranks[box] = to + 2;
		}
		most = ranks[box] > most ? ranks[box] : most;
	}
	for (size_t i = 0; i < l->n_boxes; i++)
		ranks[i] = most - ranks[i];
}

/* Boxes to which more edges lead than away from them move left, to the last of
 * those that lead there. */
static int
pull_left(struct ranking *r, struct arena *arena, size_t *ranks)
{
	const struct layout *l = r->layout;
	size_t *least = arena_array(arena, l->n_boxes, sizeof(*least));
	size_t *n_in = arena_array(arena, l->n_boxes, sizeof(*n_in));

	if (least == NULL || n_in == NULL)
		return -1;
	for (size_t i = l->n_boxes; i > 0; i--) {
		size_t box = r->order[i - 1];
		size_t n_out = r->first[box + 1] - r->first[box];

		if (n_in[box] > n_out)
			ranks[box] = least[box];
		for (size_t j = r->first[box]; j < r->first[box + 1]; j++) {
			size_t to = right(r, r->out[j]);

			n_in[to]++;
			if (least[to] < ranks[box] + 2)
				least[to] = ranks[box] + 2;
		}
	}
	return 0;
}

int
rank_boxes(struct arena *arena, const struct layout *layout, size_t *ret_ranks,
    bool *ret_reversed, struct pgripple_error *err)
{
	struct ranking r = {
	    .layout = layout,
	    .reversed = ret_reversed,
	    .first = arena_array(arena, layout->n_boxes + 1, sizeof(*r.first)),
	    .out = arena_array(arena, layout->n_edges, sizeof(*r.out)),
	    .order = arena_array(arena, layout->n_boxes, sizeof(*r.order)),
	};

	if (r.first == NULL || r.out == NULL || r.order == NULL)
		return pgripple_error_nomem(err);
	memset(ret_reversed, 0, layout->n_edges * sizeof(*ret_reversed));
	sort_edges(&r);
	if (break_cycles(&r, arena) != 0)
		return pgripple_error_nomem(err);
	sort_edges(&r);
	push_right(&r, ret_ranks);
	if (pull_left(&r, arena, ret_ranks) != 0)
		return pgripple_error_nomem(err);
	return 0;
}
