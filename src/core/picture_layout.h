/*
 * A layered drawing of a directed graph, from left to right (K. Sugiyama,
 * S. Tagawa, M. Toda: Methods for visual understanding of hierarchical system
 * structures, 1981).  Boxes stand in columns, each edge's label in a column
 * between; a longer edge has a place of its own in every column that it
 * crosses.  Therefore no label lies on a box, on another label or on an edge.
 *
 *	picture_layout.c  the parts, which are not connected, side by side
 *	picture_rank.c    cycles are broken; the column of each box
 *	picture_order.c   the order in each column, with few crossings
 *	picture_place.c   coordinates
 *
 * Whole numbers only, so that every machine draws the same.
 */
#ifndef PGRIPPLE_CORE_PICTURE_LAYOUT_H
#define PGRIPPLE_CORE_PICTURE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct arena;

struct layout_box {
	/* What it needs; edges end at its upper part, of height port_height,
	 * which grows if they are many. */
	int width;
	int height;
	int port_height;
	/* Where it is put; the width is that of its column. */
	int x;
	int y;
};

struct layout_point {
	int x;
	int y;
};

struct layout_edge {
	size_t from; /* not the same box as to */
	size_t to;
	int label_width;
	int label_height;
	/* Where the label is put: its upper left corner, above the line. */
	int label_x;
	int label_y;
	/* The way from box to box: points 0 to 1, 2 to 3, ... are joined by a
	 * curve that is level at both ends; 1 to 2, 3 to 4, ... by a level
	 * line. */
	struct layout_point *points;
	size_t n_points;
};

struct layout {
	struct layout_box *boxes;
	size_t n_boxes;
	struct layout_edge *edges;
	size_t n_edges;
	int width;
	int height;
};

/* Fills in what is to be known; points live in the arena.  -1: NOMEM, LIMIT. */
int layout_make(struct arena *arena, struct layout *layout,
    struct pgripple_error *err) MUST_CHECK;

/* The rest is private to the files above. */

#define PORT_GAP 14 /* between the ends of edges at a box */

/* A place in a column: of a box, of a label, or of a passing edge. */
struct place {
	size_t rank;
	size_t position; /* in its column, from the top */
	int height;
	int width;
	int line; /* where its edges pass, below the middle; of labels */
	bool is_box;
	size_t item; /* the box, or the edge */
	int64_t y; /* the middle, in 1/64 */
	int64_t sort; /* of the ordering */
	size_t *links; /* all at it: n_in from the left, then n_out */
	size_t n_in;
	size_t n_out;
};

/* Joins two places in neighbouring columns. */
struct link {
	size_t from;
	size_t to;
	int from_offset; /* where it ends, below the places' middle */
	int to_offset;
};

/* One connected part. */
struct part {
	struct arena *arena;
	struct place *places;
	size_t n_places;
	struct link *links;
	size_t n_links;
	size_t **ranks; /* the places of each, from the top */
	size_t *n_in_rank;
	size_t n_ranks;
	size_t *best; /* room for an order; private to picture_order.c */
	size_t *tree;
};

/* The column of each box, from 0 in each part, and which edges run backwards.
 * Neighbours are at least two apart.  -1: NOMEM. */
int rank_boxes(struct arena *arena, const struct layout *layout,
    size_t *ret_ranks, bool *ret_reversed,
    struct pgripple_error *err) MUST_CHECK;
/* -1: NOMEM. */
int order_places(struct part *part, struct pgripple_error *err) MUST_CHECK;
/* Sets the y of places and the offsets of links.  -1: NOMEM. */
int put_places(struct part *part, const struct layout *layout,
    struct pgripple_error *err) MUST_CHECK;

#endif
