/*
 * Coordinates.  Each column in turn is put as near as it can be to where its
 * neighbours want it, without overlap: the least sum of squared distances,
 * which the pool-adjacent-violators algorithm finds in linear time (M. Ayer
 * and others: An empirical distribution function for sampling with incomplete
 * information, 1955).  Edges that cross several columns weigh more, so that
 * they are straight.
 */
#include "core/picture_layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define UNIT INT64_C(64)
#define BOX_GAP 26
#define LINE_GAP 9
#define ROUNDS 60
#define BOX_WEIGHT 1000
#define BUDGET 20000000

/* Places that touch and move together. */
struct block {
	int64_t sum; /* of weight * wish */
	int64_t weight;
	int64_t at;
	size_t n;
};

struct placing {
	struct part *part;
	struct block *blocks;
	bool is_last; /* the round that takes the steps out of long edges */
};

static int64_t
weight_of(const struct place *a, const struct place *b)
{
	return a->is_box || b->is_box ? 2 : 8;
}

/* How far apart the middles of two neighbours must be. */
static int64_t
distance(const struct place *above, const struct place *below)
{
	int gap = above->is_box && below->is_box   ? BOX_GAP
		  : above->is_box || below->is_box ? BOX_GAP / 2 + 4
						   : LINE_GAP;

	return ((int64_t)(above->height + below->height) / 2 + gap) * UNIT;
}

/* Where the links of a place want its middle to be. */
static void
wish_of(const struct part *part, size_t place, int64_t *ret_sum,
    int64_t *ret_weight)
{
	const struct place *p = &part->places[place];
	int64_t sum = 0, weight = 0;

	for (size_t i = 0; i < p->n_in + p->n_out; i++) {
		const struct link *l = &part->links[p->links[i]];
		bool is_from = l->from == place;
		const struct place *q =
		    &part->places[is_from ? l->to : l->from];
		int64_t shift = is_from ? l->to_offset - l->from_offset
					: l->from_offset - l->to_offset;
		int64_t w = weight_of(p, q);

		sum += w * (q->y + shift * UNIT);
		weight += w;
	}
	if (weight == 0) {
		sum = p->y;
		weight = 1;
	}
	*ret_sum = sum;
	*ret_weight = weight;
}

/* In the last round boxes stay, and an edge goes on at the height at which it
 * comes from the left: so that it turns once, not in each column. */
static void
last_wish_of(const struct part *part, size_t place, int64_t *ret_sum,
    int64_t *ret_weight)
{
	const struct place *p = &part->places[place];
	const struct link *l;

	*ret_weight = p->is_box ? BOX_WEIGHT : 1;
	*ret_sum = p->y * *ret_weight;
	if (p->is_box)
		return;
	l = &part->links[p->links[0]];
	if (!part->places[l->from].is_box)
		*ret_sum = part->places[l->from].y +
			   (l->from_offset - l->to_offset) * UNIT;
}

static void
put_rank(struct placing *placing, size_t rank)
{
	struct part *part = placing->part;
	struct block *blocks = placing->blocks;
	const size_t *list = part->ranks[rank];
	size_t n_blocks = 0, place = 0;
	int64_t offset = 0;

	for (size_t i = 0; i < part->n_in_rank[rank]; i++) {
		struct block b = {.n = 1};

		if (i > 0)
			offset += distance(
			    &part->places[list[i - 1]], &part->places[list[i]]);
		if (placing->is_last)
			last_wish_of(part, list[i], &b.sum, &b.weight);
		else
			wish_of(part, list[i], &b.sum, &b.weight);
		b.sum -= b.weight * offset;
		b.at = b.sum / b.weight;
		while (n_blocks > 0 && blocks[n_blocks - 1].at > b.at) {
			const struct block *last = &blocks[--n_blocks];

			b.sum += last->sum;
			b.weight += last->weight;
			b.n += last->n;
			b.at = b.sum / b.weight;
		}
		blocks[n_blocks++] = b;
	}
	offset = 0;
	for (size_t i = 0; i < n_blocks; i++)
		for (size_t j = 0; j < blocks[i].n; j++, place++) {
			if (place > 0)
				offset +=
				    distance(&part->places[list[place - 1]],
					&part->places[list[place]]);
			part->places[list[place]].y = blocks[i].at + offset;
		}
}

static void
pack(struct part *part)
{
	for (size_t rank = 0; rank < part->n_ranks; rank++)
		for (size_t i = 0; i < part->n_in_rank[rank]; i++) {
			const size_t *list = part->ranks[rank];

			part->places[list[i]].y =
			    i == 0 ? 0
				   : part->places[list[i - 1]].y +
					 distance(&part->places[list[i - 1]],
					     &part->places[list[i]]);
		}
}

/* By the position of the place at the other end. */
static void
sort_links(const struct part *part, size_t place, size_t *links, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j > 0; j--) {
			const struct link *a = &part->links[links[j - 1]];
			const struct link *b = &part->links[links[j]];
			size_t swap = links[j];

			if (part->places[a->from == place ? a->to : a->from]
				.position <=
			    part->places[b->from == place ? b->to : b->from]
				.position)
				break;
			links[j] = links[j - 1];
			links[j - 1] = swap;
		}
}

/* Gives each edge its own port at the side of a box. */
static void
set_ports(struct part *part, const struct layout *layout)
{
	for (size_t i = 0; i < part->n_places; i++) {
		struct place *p = &part->places[i];
		int middle =
		    p->is_box
			? (layout->boxes[p->item].port_height - p->height) / 2
			: p->line;

		sort_links(part, i, p->links, p->n_in);
		sort_links(part, i, p->links + p->n_in, p->n_out);
		for (size_t j = 0; j < p->n_in; j++)
			part->links[p->links[j]].to_offset =
			    middle +
			    ((int)j * 2 - (int)p->n_in + 1) * PORT_GAP / 2;
		for (size_t j = 0; j < p->n_out; j++)
			part->links[p->links[p->n_in + j]].from_offset =
			    middle +
			    ((int)j * 2 - (int)p->n_out + 1) * PORT_GAP / 2;
	}
}

/* The room that a place has to move up and down. */
static void
room_of(
    const struct part *part, size_t place, int64_t *ret_up, int64_t *ret_down)
{
	const struct place *p = &part->places[place];
	const size_t *list = part->ranks[p->rank];

	*ret_up = *ret_down = INT64_MAX;
	if (p->position > 0) {
		const struct place *q = &part->places[list[p->position - 1]];

		*ret_up = p->y - q->y - distance(q, p);
	}
	if (p->position + 1 < part->n_in_rank[p->rank]) {
		const struct place *q = &part->places[list[p->position + 1]];

		*ret_down = q->y - p->y - distance(p, q);
	}
}

/* A slight bend looks like a mistake: where there is room, it is taken out. */
static void
straighten(struct part *part, size_t place, bool by_left)
{
	struct place *p = &part->places[place];
	const struct link *l;
	const struct place *q;
	int64_t shift, up, down;

	if (p->is_box || p->n_in != 1 || p->n_out != 1)
		return;
	l = &part->links[p->links[by_left ? 0 : 1]];
	q = &part->places[by_left ? l->from : l->to];
	shift = q->y - p->y +
		(by_left ? l->from_offset - l->to_offset
			 : l->to_offset - l->from_offset) *
		    UNIT;
	room_of(part, place, &up, &down);
	if (llabs(shift) < (int64_t)12 * UNIT && -shift <= up && shift <= down)
		p->y += shift;
}

static void
straighten_all(struct part *part)
{
	for (size_t rank = 1; rank < part->n_ranks; rank++)
		for (size_t i = 0; i < part->n_in_rank[rank]; i++)
			straighten(part, part->ranks[rank][i], true);
	for (size_t rank = part->n_ranks - 1; rank > 0; rank--)
		for (size_t i = 0; i < part->n_in_rank[rank - 1]; i++)
			straighten(part, part->ranks[rank - 1][i], false);
}

/* How far the ports of a box may leave its upper part's middle, and how near
 * they may come to each other. */
#define PORT_EDGE 8
#define PORT_NEAR 9

/* At a side of a box: moves the ports, which stand in order, to where their
 * edges are level, if these are near. */
static void
slide_ports(struct part *part, const struct layout *layout, size_t place,
    size_t begin, size_t n)
{
	const struct place *p = &part->places[place];
	int least = PORT_EDGE - p->height / 2;
	int most =
	    layout->boxes[p->item].port_height - PORT_EDGE - p->height / 2;

	for (size_t i = 0; i < n; i++) {
		struct link *l = &part->links[p->links[begin + i]];
		bool is_from = l->from == place;
		int *own = is_from ? &l->from_offset : &l->to_offset;
		int other = is_from ? l->to_offset : l->from_offset;
		const struct place *q =
		    &part->places[is_from ? l->to : l->from];
		int wanted = (int)(q->y / UNIT) + other - (int)(p->y / UNIT);
		int next = most;

		if (i + 1 < n) {
			const struct link *m =
			    &part->links[p->links[begin + i + 1]];

			next = (is_from ? m->from_offset : m->to_offset) -
			       PORT_NEAR;
		}
		if (abs(wanted - *own) < 24 && wanted >= least &&
		    wanted <= next)
			*own = wanted;
		least = *own + PORT_NEAR;
	}
}

static void
slide_all(struct part *part, const struct layout *layout)
{
	for (size_t i = 0; i < part->n_places; i++) {
		const struct place *p = &part->places[i];

		if (!p->is_box)
			continue;
		slide_ports(part, layout, i, 0, p->n_in);
		slide_ports(part, layout, i, p->n_in, p->n_out);
	}
}

int
put_places(
    struct part *part, const struct layout *layout, struct pgripple_error *err)
{
	struct placing placing = {part,
	    arena_array(part->arena, part->n_places, sizeof(struct block)),
	    false};
	size_t n_rounds = BUDGET / (part->n_places + part->n_links + 1) / 2;

	if (placing.blocks == NULL)
		return pgripple_error_nomem(err);
	if (n_rounds > ROUNDS)
		n_rounds = ROUNDS;
	set_ports(part, layout);
	pack(part);
	for (size_t i = 0; i < n_rounds; i++)
		for (size_t j = 0; j < part->n_ranks; j++)
			put_rank(
			    &placing, i % 2 == 0 ? j : part->n_ranks - 1 - j);
	placing.is_last = true;
	for (size_t i = 1; i < part->n_ranks; i++)
		put_rank(&placing, i);
	straighten_all(part);
	slide_all(part, layout);
	return 0;
}
