/*
 * A picture of the relation graph: a box for each model, an edge for each
 * relation, with the words that stand at them.  It is made once and printed in
 * one of four forms.
 *
 *	picture.c          graph -> picture
 *	picture_text.c     for a terminal
 *	picture_dot.c      for Graphviz
 *	picture_mermaid.c  for pages that draw Mermaid
 *	picture_svg.c      drawn by itself, see picture_layout.h
 */
#ifndef PGRIPPLE_CORE_PICTURE_H
#define PGRIPPLE_CORE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include <pgripple/graph.h>

#include "base/util.h"

struct arena;
struct buf;

/* Whether a table has its triggers. */
enum picture_watch {
	PICTURE_NOT_ASKED, /* no database was */
	PICTURE_WATCHED,
	PICTURE_UNWATCHED,
	PICTURE_WRONG, /* not as the graph needs them */
	PICTURE_NO_TABLE, /* it does not exist */
};

enum picture_lookup {
	PICTURE_NO_LOOKUP,
	PICTURE_LOOKUP,
	/* None unless the columns' types spell equal values differently, which
	 * only the catalog knows. */
	PICTURE_LOOKUP_BY_TYPE,
};

struct picture_rule {
	const char *text; /* "team:{id}", "tag team:{id}" */
	const char *detail; /* its conditions; "" if it has none */
	bool enabled;
};

struct picture_box {
	const char *name;
	const char *table;
	const char *ignore; /* "ignores last_login", or "" */
	enum picture_watch watch;
	struct picture_rule *rules;
	size_t n_rules;
};

struct picture_edge {
	size_t from; /* boxes */
	size_t to;
	const char *name; /* NULL unless it was given one */
	const char *from_columns; /* "x", "(x, y)"; "" if it is disabled */
	const char *to_columns;
	const char *detail; /* its conditions; "" if it has none */
	enum picture_lookup lookup;
	bool transitive;
	bool enabled;
};

/* Borrows from the graph. */
struct picture {
	struct picture_box *boxes; /* in the order of the models */
	size_t n_boxes;
	struct picture_edge *edges; /* in the order of the relations */
	size_t n_edges;
	bool described; /* the catalog was asked */
};

/* watches has one for each table of the graph, which has been described; NULL
 * if no database was asked.  Everything new lives in the arena.  -1: NOMEM. */
int picture_make(struct arena *arena, const struct pgripple_graph *graph,
    const enum picture_watch *watches, struct picture *ret_picture,
    struct pgripple_error *err) MUST_CHECK;

/* "watched", "not watched"; "" if that is not known. */
const char *picture_watch_name(enum picture_watch watch);
/* What of an edge must be said in words where it cannot be drawn: "ends there,
 * lookup"; "" if nothing. */
const char *picture_edge_words(const struct picture_edge *edge);
/* What the picture does not know, as a sentence; NULL if nothing. */
const char *picture_caveat(const struct picture *picture);

void picture_print_text(const struct picture *picture, struct buf *buf);
void picture_print_dot(const struct picture *picture, struct buf *buf);
void picture_print_mermaid(const struct picture *picture, struct buf *buf);
/* -1: NOMEM; LIMIT if there are too many and too long edges to be drawn. */
int picture_print_svg(const struct picture *picture, struct buf *buf,
    struct pgripple_error *err) MUST_CHECK;

#endif
