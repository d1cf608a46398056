/*
 * The layered drawing as a whole: each connected part by itself, then all of
 * them in rows.
 */
#include "core/picture_layout.h"

#include <string.h>

#include "base/arena.h"

#define UNIT INT64_C(64)
#define MAX_PLACES 500000
#define MIN_GAP 28
#define MAX_GAP 90
#define PART_GAP 34
#define MIN_ROW_WIDTH 1000

struct layouter {
	struct arena *arena;
	struct layout *layout;
	size_t *ranks; /* of boxes */
	bool *reversed; /* edges */
	size_t *parts; /* of boxes: the first box of each */
	size_t *places; /* of boxes, in their part */
	int row_x, row_y, row_height; /* of the row that is filled */
	int row_width;
};

static size_t
find_part(size_t *parts, size_t box)
{
	while (parts[box] != box)
		box = parts[box] = parts[parts[box]];
	return box;
}

/* The lowest box of a part stands for it. */
static void
find_parts(struct layouter *l)
{
	for (size_t i = 0; i < l->layout->n_boxes; i++)
		l->parts[i] = i;
	for (size_t i = 0; i < l->layout->n_edges; i++) {
		size_t a = find_part(l->parts, l->layout->edges[i].from);
		size_t b = find_part(l->parts, l->layout->edges[i].to);

		l->parts[a > b ? a : b] = a > b ? b : a;
	}
	for (size_t i = 0; i < l->layout->n_boxes; i++)
		l->parts[i] = find_part(l->parts, i);
}

static size_t
edge_left(const struct layouter *l, size_t edge)
{
	const struct layout_edge *e = &l->layout->edges[edge];

	return l->reversed[edge] ? e->to : e->from;
}

static size_t
edge_right(const struct layouter *l, size_t edge)
{
	const struct layout_edge *e = &l->layout->edges[edge];

	return l->reversed[edge] ? e->from : e->to;
}

static size_t
edge_span(const struct layouter *l, size_t edge)
{
	return l->ranks[edge_right(l, edge)] - l->ranks[edge_left(l, edge)];
}

/* How many places and links a part has, and its columns from 0. */
static void
measure_part(struct layouter *l, size_t root, struct part *part)
{
	size_t least = SIZE_MAX, most = 0;

	for (size_t i = 0; i < l->layout->n_boxes; i++) {
		if (l->parts[i] != root)
			continue;
		part->n_places++;
		least = l->ranks[i] < least ? l->ranks[i] : least;
		most = l->ranks[i] > most ? l->ranks[i] : most;
	}
	for (size_t i = 0; i < l->layout->n_boxes; i++)
		if (l->parts[i] == root)
			l->ranks[i] -= least;
	part->n_ranks = most - least + 1;
	for (size_t i = 0; i < l->layout->n_edges; i++)
		if (l->parts[l->layout->edges[i].from] == root) {
			part->n_places += edge_span(l, i) - 1;
			part->n_links += edge_span(l, i);
		}
}

static size_t
add_place(struct part *part, struct place place)
{
	part->places[part->n_places] = place;
	part->n_in_rank[place.rank]++;
	return part->n_places++;
}

static void
add_link(struct part *part, size_t from, size_t to)
{
	part->links[part->n_links++] = (struct link){.from = from, .to = to};
	part->places[from].n_out++;
	part->places[to].n_in++;
}

/* The label stands next to where the edge begins. */
static size_t
label_rank(const struct layouter *l, size_t edge)
{
	return l->reversed[edge] ? l->ranks[edge_right(l, edge)] - 1
				 : l->ranks[edge_left(l, edge)] + 1;
}

static void
add_edge(struct layouter *l, struct part *part, size_t edge)
{
	const struct layout_edge *e = &l->layout->edges[edge];
	size_t begin = edge_left(l, edge), end = edge_right(l, edge);
	size_t last = l->places[begin];

	for (size_t rank = l->ranks[begin] + 1; rank < l->ranks[end]; rank++) {
		struct place place = {.rank = rank, .item = edge, .height = 4};
		size_t next;

		if (rank == label_rank(l, edge)) {
			place.width = e->label_width;
			place.height = e->label_height + 6;
			place.line = place.height / 2 - 2;
		}
		next = add_place(part, place);
		add_link(part, last, next);
		last = next;
	}
	add_link(part, last, l->places[end]);
}

static int
allocate_part(struct part *part)
{
	struct arena *arena = part->arena;

	part->places =
	    arena_array(arena, part->n_places, sizeof(*part->places));
	part->links = arena_array(arena, part->n_links, sizeof(*part->links));
	part->ranks = arena_array(arena, part->n_ranks, sizeof(*part->ranks));
	part->n_in_rank =
	    arena_array(arena, part->n_ranks, sizeof(*part->n_in_rank));
	return part->places == NULL || part->links == NULL ||
		       part->ranks == NULL || part->n_in_rank == NULL
		   ? -1
		   : 0;
}

/* The places of each column, and the links of each place. */
static int
connect_part(struct part *part)
{
	for (size_t i = 0; i < part->n_ranks; i++) {
		part->ranks[i] = arena_array(
		    part->arena, part->n_in_rank[i], sizeof(**part->ranks));
		if (part->ranks[i] == NULL)
			return -1;
		part->n_in_rank[i] = 0;
	}
	for (size_t i = 0; i < part->n_places; i++) {
		struct place *p = &part->places[i];

		p->position = part->n_in_rank[p->rank]++;
		part->ranks[p->rank][p->position] = i;
		p->links = arena_array(
		    part->arena, p->n_in + p->n_out, sizeof(*p->links));
		if (p->links == NULL)
			return -1;
		p->n_out = p->n_in;
		p->n_in = 0;
	}
	/* n_out is where the next one goes, until n_in is whole. */
	for (size_t i = 0; i < part->n_links; i++) {
		struct place *to = &part->places[part->links[i].to];
		struct place *from = &part->places[part->links[i].from];

		to->links[to->n_in++] = i;
		from->links[from->n_out++] = i;
	}
	for (size_t i = 0; i < part->n_places; i++)
		part->places[i].n_out -= part->places[i].n_in;
	return 0;
}

/* A box needs room for the ends of its edges. */
static void
grow_boxes(struct part *part, struct layout *layout)
{
	for (size_t i = 0; i < part->n_places; i++) {
		struct place *p = &part->places[i];
		size_t n = p->n_in > p->n_out ? p->n_in : p->n_out;
		int wanted = (int)n * PORT_GAP + 10;
		struct layout_box *box;

		if (!p->is_box)
			continue;
		box = &layout->boxes[p->item];
		if (wanted > box->port_height) {
			box->height += wanted - box->port_height;
			box->port_height = wanted;
		}
		p->height = box->height;
	}
}

static int
make_part(struct layouter *l, size_t root, struct part *part,
    struct pgripple_error *err)
{
	struct layout *layout = l->layout;

	measure_part(l, root, part);
	if (part->n_places > MAX_PLACES)
		return pgripple_error_set(err, PGRIPPLE_ERROR_LIMIT,
		    "the graph has too many and too long relations to be "
		    "drawn");
	if (allocate_part(part) != 0)
		return pgripple_error_nomem(err);
	part->n_places = part->n_links = 0;
	for (size_t i = 0; i < layout->n_boxes; i++)
		if (l->parts[i] == root)
			l->places[i] = add_place(
			    part, (struct place){.rank = l->ranks[i],
				      .height = layout->boxes[i].height,
				      .width = layout->boxes[i].width,
				      .is_box = true,
				      .item = i});
	for (size_t i = 0; i < layout->n_edges; i++)
		if (l->parts[layout->edges[i].from] == root)
			add_edge(l, part, i);
	if (connect_part(part) != 0)
		return pgripple_error_nomem(err);
	grow_boxes(part, layout);
	return 0;
}

/* Left ends and widths of the columns: the steeper the edges between two, the
 * wider the gap. */
struct columns {
	int *x;
	int *width;
	int end;
};

static int
link_y(const struct part *part, size_t link, bool at_from)
{
	const struct link *l = &part->links[link];
	const struct place *p = &part->places[at_from ? l->from : l->to];

	return (int)(p->y / UNIT) + (at_from ? l->from_offset : l->to_offset);
}

static int
set_columns(struct part *part, struct columns *columns)
{
	int *gap = arena_array(part->arena, part->n_ranks, sizeof(*gap));

	columns->x =
	    arena_array(part->arena, part->n_ranks, sizeof(*columns->x));
	columns->width =
	    arena_array(part->arena, part->n_ranks, sizeof(*columns->width));
	if (gap == NULL || columns->x == NULL || columns->width == NULL)
		return -1;
	for (size_t i = 0; i < part->n_places; i++) {
		const struct place *p = &part->places[i];

		if (columns->width[p->rank] < p->width)
			columns->width[p->rank] = p->width;
	}
	for (size_t i = 0; i < part->n_links; i++) {
		size_t rank = part->places[part->links[i].from].rank;
		int rise = abs(link_y(part, i, true) - link_y(part, i, false));
		int wanted = MIN_GAP + rise / 6;

		wanted = wanted > MAX_GAP ? MAX_GAP : wanted;
		gap[rank] = wanted > gap[rank] ? wanted : gap[rank];
	}
	for (size_t i = 0; i < part->n_ranks; i++) {
		columns->x[i] = columns->end;
		columns->end +=
		    columns->width[i] + (i + 1 < part->n_ranks ? gap[i] : 0);
	}
	return 0;
}

/* The highest and the lowest of all boxes and labels. */
static void
find_extent(const struct part *part, int *ret_top, int *ret_bottom)
{
	int top = INT32_MAX, bottom = INT32_MIN;

	for (size_t i = 0; i < part->n_places; i++) {
		const struct place *p = &part->places[i];
		int y = (int)(p->y / UNIT);

		if (y - p->height / 2 < top)
			top = y - p->height / 2;
		if (y + (p->height + 1) / 2 > bottom)
			bottom = y + (p->height + 1) / 2;
	}
	*ret_top = top;
	*ret_bottom = bottom;
}

/* The way of one edge; links is its first, the others follow. */
static int
lay_edge(struct layouter *l, const struct part *part,
    const struct columns *columns, size_t edge, size_t link, int x, int y)
{
	struct layout_edge *e = &l->layout->edges[edge];
	size_t n = edge_span(l, edge), at = 0;

	e->n_points = 2 * n;
	e->points = arena_array(l->arena, e->n_points, sizeof(*e->points));
	if (e->points == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		size_t rank = part->places[part->links[link + i].from].rank;

		e->points[at++] = (struct layout_point){
		    x + columns->x[rank] + columns->width[rank],
		    y + link_y(part, link + i, true)};
		e->points[at++] =
		    (struct layout_point){x + columns->x[rank + 1],
			y + link_y(part, link + i, false)};
	}
	for (size_t i = 0; l->reversed[edge] && i < at / 2; i++) {
		struct layout_point swap = e->points[i];

		e->points[i] = e->points[at - 1 - i];
		e->points[at - 1 - i] = swap;
	}
	return 0;
}

/* Writes down where all of a part is, its upper left corner being x, y. */
static int
lay_part(struct layouter *l, size_t root, const struct part *part,
    const struct columns *columns, int x, int y)
{
	struct layout *layout = l->layout;
	size_t link = 0;

	for (size_t i = 0; i < part->n_places; i++) {
		const struct place *p = &part->places[i];
		int top = y + (int)(p->y / UNIT) - p->height / 2;

		if (p->is_box) {
			layout->boxes[p->item].x = x + columns->x[p->rank];
			layout->boxes[p->item].y = top;
			layout->boxes[p->item].width = columns->width[p->rank];
		} else if (p->width > 0) {
			layout->edges[p->item].label_x =
			    x + columns->x[p->rank] +
			    (columns->width[p->rank] - p->width) / 2;
			layout->edges[p->item].label_y = top;
		}
	}
	for (size_t i = 0; i < layout->n_edges; i++) {
		if (l->parts[layout->edges[i].from] != root)
			continue;
		if (lay_edge(l, part, columns, i, link, x, y) != 0)
			return -1;
		link += edge_span(l, i);
	}
	return 0;
}

/* Finds room for a part in the rows. */
static void
take_room(struct layouter *l, int width, int height, int *ret_x, int *ret_y)
{
	int used = l->row_x;

	if (used > 0 && used + PART_GAP + width > l->row_width) {
		l->row_y += l->row_height + PART_GAP;
		l->row_x = l->row_height = 0;
		used = 0;
	}
	*ret_x = used == 0 ? 0 : used + PART_GAP;
	*ret_y = l->row_y;
	l->row_x = *ret_x + width;
	if (l->row_height < height)
		l->row_height = height;
	if (l->layout->width < l->row_x)
		l->layout->width = l->row_x;
	l->layout->height = l->row_y + l->row_height;
}

static int
draw_part(struct layouter *l, size_t root, struct pgripple_error *err)
{
	struct part part = {.arena = l->arena};
	struct columns columns = {0};
	int top, bottom, x, y;

	if (make_part(l, root, &part, err) != 0 ||
	    order_places(&part, err) != 0 ||
	    put_places(&part, l->layout, err) != 0)
		return -1;
	if (set_columns(&part, &columns) != 0)
		return pgripple_error_nomem(err);
	find_extent(&part, &top, &bottom);
	if (l->row_width < columns.end)
		l->row_width = columns.end;
	take_room(l, columns.end, bottom - top, &x, &y);
	if (lay_part(l, root, &part, &columns, x, y - top) != 0)
		return pgripple_error_nomem(err);
	return 0;
}

/* Parts with edges first, each in a row of its own; what has none fills rows
 * below. */
static int
draw_parts(struct layouter *l, struct pgripple_error *err)
{
	size_t *n_edges =
	    arena_array(l->arena, l->layout->n_boxes, sizeof(*n_edges));

	if (n_edges == NULL)
		return pgripple_error_nomem(err);
	for (size_t i = 0; i < l->layout->n_edges; i++)
		n_edges[l->parts[l->layout->edges[i].from]]++;
	for (int lonely = 0; lonely <= 1; lonely++)
		for (size_t i = 0; i < l->layout->n_boxes; i++)
			if (l->parts[i] == i && (n_edges[i] == 0) == lonely &&
			    draw_part(l, i, err) != 0)
				return -1;
	return 0;
}

int
layout_make(
    struct arena *arena, struct layout *layout, struct pgripple_error *err)
{
	struct layouter l = {
	    .arena = arena,
	    .layout = layout,
	    .ranks = arena_array(arena, layout->n_boxes, sizeof(*l.ranks)),
	    .reversed =
		arena_array(arena, layout->n_edges, sizeof(*l.reversed)),
	    .parts = arena_array(arena, layout->n_boxes, sizeof(*l.parts)),
	    .places = arena_array(arena, layout->n_boxes, sizeof(*l.places)),
	    .row_width = MIN_ROW_WIDTH,
	};

	layout->width = layout->height = 0;
	if (l.ranks == NULL || l.reversed == NULL || l.parts == NULL ||
	    l.places == NULL)
		return pgripple_error_nomem(err);
	if (rank_boxes(arena, layout, l.ranks, l.reversed, err) != 0)
		return -1;
	find_parts(&l);
	return draw_parts(&l, err);
}
