#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "build_graph.h"
#include "core/picture.h"
#include "core/picture_layout.h"

static struct arena *arena;

static void
open_arena(void)
{
	arena = arena_new();
}

static void
close_arena(void)
{
	arena_free(arena);
}

TestSuite(picture, .init = open_arena, .fini = close_arena);

static char *
read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct buf buf = BUF_INIT;
	char piece[4096];
	size_t n;

	cr_assert_not_null(file, "cannot open %s", path);
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(&buf, piece, n);
	(void)fclose(file);
	buf_add(&buf, "", 0);
	return buf.bytes;
}

/* A graph as the command reads it without a database. */
static struct pgripple_graph *
load(const char *path)
{
	struct pgripple_errors errors = {0};
	struct pgripple_graph *graph = NULL;
	struct node *root;

	cr_assert_eq(yaml_load(arena, path, &errors, &root), 0);
	cr_assert_eq(pgripple_graph_load(root, &errors, &graph), 0);
	return graph;
}

static void
print(const struct picture *picture, const char *format, struct buf *buf)
{
	struct pgripple_error err;

	if (strcmp(format, "text") == 0)
		picture_print_text(picture, buf);
	else if (strcmp(format, "dot") == 0)
		picture_print_dot(picture, buf);
	else if (strcmp(format, "mermaid") == 0)
		picture_print_mermaid(picture, buf);
	else
		cr_assert_eq(picture_print_svg(picture, buf, &err), 0);
}

/* The golden file is what "pgripple graph --offline" printed once, and was
 * looked at. */
static void
expect_golden(const char *format)
{
	static const char folder[] = SOURCE_ROOT "/tests/unit/picture/";
	struct pgripple_graph *graph;
	struct picture picture;
	struct pgripple_error err;
	struct buf buf = BUF_INIT;
	char path[512];
	char *golden;

	(void)snprintf(path, sizeof(path), "%severything.yaml", folder);
	graph = load(path);
	cr_assert_eq(picture_make(arena, graph, NULL, &picture, &err), 0);
	print(&picture, format, &buf);
	(void)snprintf(path, sizeof(path), "%severything.%s", folder, format);
	golden = read_file(path);
	cr_assert_str_eq(buf_string(&buf), golden);
	free(golden);
	buf_done(&buf);
	pgripple_graph_free(graph);
}

Test(picture, as_text_is_the_golden_file)
{
	expect_golden("text");
}

Test(picture, as_dot_is_the_golden_file)
{
	expect_golden("dot");
}

Test(picture, as_mermaid_is_the_golden_file)
{
	expect_golden("mermaid");
}

Test(picture, as_svg_is_the_golden_file)
{
	expect_golden("svg");
}

/* With what a database said, in one of the formats. */
static void
expect_said(const char *yaml, const enum picture_watch *watches,
    const char *format, const char *wanted)
{
	struct pgripple_graph *graph = build_graph(yaml);
	struct picture picture;
	struct pgripple_error err;
	struct buf buf = BUF_INIT;

	cr_assert_eq(picture_make(arena, graph, watches, &picture, &err), 0);
	print(&picture, format, &buf);
	cr_assert_not_null(strstr(buf_string(&buf), wanted),
	    "no \"%s\" in:\n%s", wanted, buf_string(&buf));
	buf_done(&buf);
	pgripple_graph_free(graph);
}

#define TWO                                               \
	"models:\n"                                       \
	"  a: { table: t_a, invalidate: [\"a:{id}\"] }\n" \
	"  b: { table: t_b, invalidate: [\"b:{id}\"] }\n"

Test(picture, knows_the_lookups_that_types_need_from_the_database)
{
	static const char plain[] = TWO "relations: [a.b_id -> b.id]\n";
	/* Numeric: build_graph.h says so. */
	static const char numeric[] = TWO "relations: [a.num -> b.id]\n";
	const enum picture_watch watches[2] = {
	    PICTURE_WATCHED, PICTURE_WATCHED};

	expect_said(plain, watches, "text", "b_id -> b.id\n");
	expect_said(numeric, watches, "text", "num -> b.id (lookup)\n");
	expect_said(numeric, watches, "dot", "style=dashed");
	expect_said(numeric, watches, "mermaid", "-.->");
	expect_said(numeric, watches, "svg", "class=\"line lookup\"");
}

Test(picture, tells_which_tables_are_watched)
{
	static const enum picture_watch states[] = {PICTURE_WATCHED,
	    PICTURE_UNWATCHED, PICTURE_WRONG, PICTURE_NO_TABLE};
	static const char *const formats[] = {"text", "dot", "mermaid"};

	for (size_t i = 0; i < N_ELEMENTS(states); i++) {
		enum picture_watch watches[2] = {PICTURE_WATCHED, states[i]};

		for (size_t j = 0; j < N_ELEMENTS(formats); j++)
			expect_said(TWO, watches, formats[j],
			    picture_watch_name(states[i]));
		if (i > 0)
			expect_said(
			    TWO, watches, "svg", picture_watch_name(states[i]));
	}
	expect_said(TWO, (enum picture_watch[2]){PICTURE_WATCHED}, "svg",
	    "class=\"good\"");
}

/*
 * The layout, of graphs that were thrown together.
 */
static uint32_t seed;

static size_t
dice(size_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static struct layout
random_layout(size_t n_boxes, size_t n_edges)
{
	struct layout l = {
	    .boxes = arena_array(arena, n_boxes, sizeof(*l.boxes)),
	    .n_boxes = n_boxes,
	    .edges = arena_array(arena, n_edges, sizeof(*l.edges)),
	};

	for (size_t i = 0; i < n_boxes; i++) {
		l.boxes[i].width = 60 + (int)dice(100);
		l.boxes[i].port_height = 40 + (int)dice(60);
		l.boxes[i].height = l.boxes[i].port_height + (int)dice(2) * 30;
	}
	while (n_boxes > 1 && l.n_edges < n_edges) {
		struct layout_edge *e = &l.edges[l.n_edges];

		e->from = dice(n_boxes);
		e->to = dice(n_boxes);
		e->label_width = 50 + (int)dice(120);
		e->label_height = 14 * (1 + (int)dice(2));
		l.n_edges += e->from != e->to;
	}
	return l;
}

struct area {
	int left;
	int top;
	int right;
	int bottom;
};

static bool
overlap(struct area a, struct area b)
{
	return a.left < b.right && b.left < a.right && a.top < b.bottom &&
	       b.top < a.bottom;
}

static struct area
box_area(const struct layout_box *b)
{
	return (struct area){b->x, b->y, b->x + b->width, b->y + b->height};
}

static struct area
label_area(const struct layout_edge *e)
{
	return (struct area){e->label_x, e->label_y,
	    e->label_x + e->label_width, e->label_y + e->label_height};
}

/* Where one stretch of an edge goes, as a curve or as a level line. */
static struct area
stretch_area(const struct layout_point *a, const struct layout_point *b)
{
	return (struct area){a->x < b->x ? a->x : b->x,
	    a->y < b->y ? a->y : b->y, a->x < b->x ? b->x : a->x,
	    (a->y < b->y ? b->y : a->y) + 1};
}

static void
expect_free(const struct layout *l, struct area area, const void *except)
{
	cr_assert(area.left >= 0 && area.top >= 0 && area.right <= l->width,
	    "%d %d to %d of %d", area.left, area.top, area.right, l->width);
	for (size_t i = 0; i < l->n_boxes; i++)
		cr_assert(&l->boxes[i] == except ||
			      !overlap(area, box_area(&l->boxes[i])),
		    "box %zu lies on another thing", i);
	for (size_t i = 0; i < l->n_edges; i++)
		cr_assert(&l->edges[i] == except ||
			      !overlap(area, label_area(&l->edges[i])),
		    "the label of edge %zu lies on another thing", i);
}

static void
expect_ends(const struct layout *l, const struct layout_edge *e)
{
	const struct layout_box *from = &l->boxes[e->from];
	const struct layout_box *to = &l->boxes[e->to];
	const struct layout_point *first = &e->points[0];
	const struct layout_point *last = &e->points[e->n_points - 1];

	cr_assert(first->x == from->x + from->width || first->x == from->x);
	cr_assert(last->x == to->x + to->width || last->x == to->x);
	cr_assert(first->y > from->y && first->y < from->y + from->port_height);
	cr_assert(last->y > to->y && last->y < to->y + to->port_height);
}

static void
expect_sound(const struct layout *l)
{
	for (size_t i = 0; i < l->n_boxes; i++)
		expect_free(l, box_area(&l->boxes[i]), &l->boxes[i]);
	for (size_t i = 0; i < l->n_edges; i++) {
		const struct layout_edge *e = &l->edges[i];

		expect_free(l, label_area(e), e);
		expect_ends(l, e);
		for (size_t j = 1; j < e->n_points; j++)
			expect_free(l,
			    stretch_area(&e->points[j - 1], &e->points[j]),
			    NULL);
	}
}

Test(picture, has_nothing_that_lies_on_another)
{
	for (uint32_t round = 1; round <= 60; round++) {
		struct pgripple_error err;
		struct layout l;
		size_t n_boxes;

		seed = round;
		n_boxes = 1 + dice(30);
		l = random_layout(n_boxes, dice(2 * n_boxes));
		cr_assert_eq(layout_make(arena, &l, &err), 0);
		expect_sound(&l);
	}
}

Test(picture, of_a_line_is_straight)
{
	struct layout l = random_layout(4, 3);
	struct pgripple_error err;

	for (size_t i = 0; i < 3; i++) {
		l.edges[i].from = i;
		l.edges[i].to = i + 1;
	}
	cr_assert_eq(layout_make(arena, &l, &err), 0);
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 1; j < l.edges[i].n_points; j++) {
			cr_assert_eq(
			    l.edges[i].points[j].y, l.edges[i].points[0].y);
			cr_assert_geq(
			    l.edges[i].points[j].x, l.edges[i].points[j - 1].x);
		}
}

/* Curves between the same two columns cross if they end in the other order. */
static size_t
count_crossings(const struct layout *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_edges; i++)
		for (size_t j = 0; j < i; j++) {
			const struct layout_edge *a = &l->edges[i];
			const struct layout_edge *b = &l->edges[j];

			for (size_t k = 0; k < a->n_points; k += 2)
				for (size_t m = 0; m < b->n_points; m += 2)
					n +=
					    a->points[k].x == b->points[m].x &&
					    (a->points[k].y < b->points[m].y) !=
						(a->points[k + 1].y <
						    b->points[m + 1].y);
		}
	return n;
}

Test(picture, crosses_no_edges_that_need_not_cross)
{
	/* A tree of four levels, whose leaves stand in the file in another
	 * order than their parents. */
	static const size_t parents[15] = {
	    0, 0, 0, 2, 1, 1, 2, 6, 5, 4, 3, 3, 4, 5, 6};
	struct layout l = random_layout(15, 14);
	struct pgripple_error err;

	for (size_t i = 0; i < 14; i++) {
		l.edges[i].from = parents[i + 1];
		l.edges[i].to = i + 1;
	}
	cr_assert_eq(layout_make(arena, &l, &err), 0);
	expect_sound(&l);
	cr_assert_eq(count_crossings(&l), 0);
}

Test(
    picture, of_500_models_and_2000_relations_is_made_in_seconds, .timeout = 20)
{
	struct layout l;
	struct pgripple_error err;

	seed = 5;
	l = random_layout(500, 2000);
	cr_assert_eq(layout_make(arena, &l, &err), 0);
	cr_assert_gt(l.width, 0);
}

Test(picture, of_a_chain_does_not_need_a_deep_stack)
{
	struct layout l = random_layout(5000, 4999);
	struct pgripple_error err;

	for (size_t i = 0; i < l.n_edges; i++) {
		l.edges[i].from = i;
		l.edges[i].to = i + 1;
	}
	cr_assert_eq(layout_make(arena, &l, &err), 0);
}

Test(picture, that_would_be_too_large_is_refused)
{
	struct layout l = random_layout(2000, 3999);
	struct pgripple_error err;

	for (size_t i = 0; i < l.n_edges; i++) {
		l.edges[i].from = i < 1999 ? i : 0;
		l.edges[i].to = i < 1999 ? i + 1 : 1999;
	}
	cr_assert_eq(layout_make(arena, &l, &err), -1);
	cr_assert_eq(err.kind, PGRIPPLE_ERROR_LIMIT);
	cr_assert_str_eq(err.text,
	    "the graph has too many and too long relations to be drawn");
}
