/*
 * A configuration document as a tree: maps, lists and scalars, each with the
 * place where it stands.  Made by config/yaml.c, read by whoever gives it a
 * meaning.  Scalars are text: nothing here guesses at types.
 */
#ifndef PGRIPPLE_BASE_NODE_H
#define PGRIPPLE_BASE_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include <pgripple/error.h>

struct arena;

enum node_kind {
	NODE_NULL, /* nothing was written, or a plain "~" or "null" */
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP,
};

struct node {
	enum node_kind kind;
	struct pgripple_position at;
	bool quoted; /* a scalar in quotes or a block scalar */
	bool flow; /* a list in [ ] or a map in { } */
	/* A scalar that stands in the file just as in text, on one line: byte n
	 * of text is at column at.column + n, plus 1 for a quote. */
	bool verbatim;
	const char *text; /* SCALAR: terminated, without NUL inside */
	size_t n_children; /* LIST: items; MAP: entries */
	struct node *children;
	struct node *key; /* in a MAP: the entry's key, a SCALAR */
};

/* "nothing", "text", "a list", "a map": for messages. */
const char *node_kind_name(enum node_kind kind);

/* The entry of a map; NULL if it has none, or if node is no map. */
const struct node *node_get(const struct node *map, const char *key);

#endif
