/*
 * The order in each column: sweeps to and fro put every place at the mean of
 * its neighbours, then neighbours change places where that saves a crossing.
 * Which order comes out depends on the one it starts from, so a small part is
 * tried from several.  The best seen stays.
 */
#include "core/picture_layout.h"

#include <string.h>

#include "base/arena.h"

#define SWEEPS 12
#define TRIALS 24
/* Steps that may be spent on one part. */
#define BUDGET 30000000

static void
number_rank(struct part *part, size_t rank)
{
	for (size_t i = 0; i < part->n_in_rank[rank]; i++)
		part->places[part->ranks[rank][i]].position = i;
}

static size_t
other_end(const struct part *part, size_t link, size_t place)
{
	const struct link *l = &part->links[link];

	return l->from == place ? l->to : l->from;
}

static size_t
neighbour_position(const struct part *part, size_t link, size_t place)
{
	return part->places[other_end(part, link, place)].position;
}

/* Stable insertion for short lists, merging for long ones: equal places keep
 * their order, on every machine. */
static void
sort_places(const struct part *part, size_t *list, size_t n, size_t *room)
{
	size_t half = n / 2, a = 0, b = half;

	if (n < 2)
		return;
	sort_places(part, list, half, room);
	sort_places(part, list + half, n - half, room);
	for (size_t i = 0; i < n; i++)
		if (b == n || (a < half && part->places[list[a]].sort <=
					       part->places[list[b]].sort))
			room[i] = list[a++];
		else
			room[i] = list[b++];
	memcpy(list, room, n * sizeof(*list));
}

/* Sorts a column by the mean position of the neighbours on one side. */
static void
sort_rank(struct part *part, size_t rank, bool by_left)
{
	size_t *list = part->ranks[rank];
	size_t n = part->n_in_rank[rank];

	for (size_t i = 0; i < n; i++) {
		struct place *p = &part->places[list[i]];
		size_t begin = by_left ? 0 : p->n_in;
		size_t n_links = by_left ? p->n_in : p->n_out;
		int64_t sum = 0;

		for (size_t j = 0; j < n_links; j++)
			sum += (int64_t)neighbour_position(
			    part, p->links[begin + j], list[i]);
		p->sort = n_links == 0 ? (int64_t)p->position * 1024
				       : sum * 1024 / (int64_t)n_links;
	}
	sort_places(part, list, n, part->tree);
	number_rank(part, rank);
}

/* Of the links between a column and the next, by counting, for each from the
 * top, those before it that end lower (W. Barth, M. Juenger, P. Mutzel: Simple
 * and efficient bilayer cross counting, 2002). */
static size_t
count_rank(struct part *part, size_t rank)
{
	size_t n = part->n_in_rank[rank + 1];
	size_t crossings = 0, seen = 0;

	memset(part->tree, 0, (n + 1) * sizeof(*part->tree));
	for (size_t i = 0; i < part->n_in_rank[rank]; i++) {
		size_t place = part->ranks[rank][i];
		const struct place *p = &part->places[place];

		for (size_t j = 0; j < p->n_out; j++) {
			size_t at = neighbour_position(
			    part, p->links[p->n_in + j], place);
			size_t above = 0;

			for (size_t k = at + 1; k > 0; k &= k - 1)
				above += part->tree[k];
			crossings += seen - above;
		}
		for (size_t j = 0; j < p->n_out; j++, seen++) {
			size_t at = neighbour_position(
			    part, p->links[p->n_in + j], place);

			for (size_t k = at + 1; k <= n; k += k & -k)
				part->tree[k]++;
		}
	}
	return crossings;
}

static size_t
count_all(struct part *part)
{
	size_t crossings = 0;

	for (size_t rank = 0; rank + 1 < part->n_ranks; rank++)
		crossings += count_rank(part, rank);
	return crossings;
}

/* How many crossings two neighbours have if a stands above b, on one side. */
static size_t
crossings_of(const struct part *part, size_t a, size_t b, bool on_left)
{
	const struct place *p = &part->places[a], *q = &part->places[b];
	size_t p_begin = on_left ? 0 : p->n_in;
	size_t q_begin = on_left ? 0 : q->n_in;
	size_t n = 0;

	for (size_t i = 0; i < (on_left ? p->n_in : p->n_out); i++)
		for (size_t j = 0; j < (on_left ? q->n_in : q->n_out); j++)
			n +=
			    neighbour_position(part, p->links[p_begin + i], a) >
			    neighbour_position(part, q->links[q_begin + j], b);
	return n;
}

/* One round over a column; true if any two changed places. */
static bool
exchange(struct part *part, size_t rank)
{
	size_t *list = part->ranks[rank];
	bool changed = false;

	for (size_t i = 0; i + 1 < part->n_in_rank[rank]; i++) {
		size_t a = list[i], b = list[i + 1];

		if (crossings_of(part, a, b, true) +
			crossings_of(part, a, b, false) <=
		    crossings_of(part, b, a, true) +
			crossings_of(part, b, a, false))
			continue;
		list[i] = b;
		list[i + 1] = a;
		part->places[b].position = i;
		part->places[a].position = i + 1;
		changed = true;
	}
	return changed;
}

static void
exchange_all(struct part *part)
{
	bool changed = true;

	for (int round = 0; round < 8 && changed; round++) {
		changed = false;
		for (size_t rank = 0; rank < part->n_ranks; rank++)
			changed |= exchange(part, rank);
	}
}

static void
sweep(struct part *part, bool from_left)
{
	for (size_t i = 1; i < part->n_ranks; i++)
		sort_rank(
		    part, from_left ? i : part->n_ranks - 1 - i, from_left);
}

static void
keep(struct part *part)
{
	for (size_t i = 0; i < part->n_places; i++)
		part->best[i] = part->places[i].position;
}

static void
restore(struct part *part)
{
	for (size_t i = 0; i < part->n_places; i++) {
		struct place *p = &part->places[i];

		p->position = part->best[i];
		part->ranks[p->rank][p->position] = i;
	}
}

/* A start of its own for each trial, the same in every run: the first as the
 * file has it. */
static void
shuffle(struct part *part, unsigned trial)
{
	uint32_t seed = trial * 2654435761u;

	for (size_t rank = 0; rank < part->n_ranks; rank++) {
		for (size_t i = 0; i < part->n_in_rank[rank]; i++) {
			struct place *p = &part->places[part->ranks[rank][i]];

			seed = seed * 1664525u + 1013904223u;
			p->sort = trial == 0 ? (int64_t)part->ranks[rank][i]
					     : (int64_t)(seed >> 8);
		}
		sort_places(
		    part, part->ranks[rank], part->n_in_rank[rank], part->tree);
		number_rank(part, rank);
	}
}

/* Tries from one start; what comes out better than the best so far is kept. */
static void
attempt(struct part *part, unsigned trial, int n_sweeps, size_t *least)
{
	shuffle(part, trial);
	for (int i = 0; i < n_sweeps; i++) {
		size_t crossings;

		if (*least == 0)
			break;
		sweep(part, i % 2 == 0);
		if (part->n_places < 20000)
			exchange_all(part);
		crossings = count_all(part);
		if (crossings < *least) {
			*least = crossings;
			keep(part);
		}
	}
}

int
order_places(struct part *part, struct pgripple_error *err)
{
	size_t n = part->n_places + part->n_links + 1;
	size_t n_attempts = BUDGET / (n * SWEEPS * 40) + 1;
	size_t least = SIZE_MAX;

	part->best = arena_array(part->arena, n, sizeof(*part->best));
	part->tree = arena_array(part->arena, n, sizeof(*part->tree));
	if (part->best == NULL || part->tree == NULL)
		return pgripple_error_nomem(err);
	if (n_attempts > TRIALS)
		n_attempts = TRIALS;
	for (unsigned trial = 0; trial < n_attempts; trial++)
		attempt(part, trial, n_attempts == 1 ? 4 : SWEEPS, &least);
	restore(part);
	return 0;
}
