/*
 * What the live database says of the graph: types of the columns, problems
 * with tables and relations, and whether the triggers are in place.
 */
#ifndef PGRIPPLE_POSTGRES_CATALOG_H
#define PGRIPPLE_POSTGRES_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pgripple/graph.h>

#include "base/util.h"
#include "postgres/session.h"

struct command;

/* The version of the installed objects that this program works with. */
#define CATALOG_SCHEMA_VERSION 7

enum catalog_watch {
	CATALOG_UNWATCHED, /* no triggers */
	CATALOG_WATCHED,
	CATALOG_DIFFERENT, /* watched, but not as the graph needs it */
	CATALOG_BROKEN, /* what watched() says is in "problem" */
};

const char *catalog_watch_name(enum catalog_watch watch);

struct catalog_column {
	const char *quoted; /* NULL if there is no such column */
	const char *type; /* of the domain's base, with its schema */
	const char *equality; /* OPERATOR(schema.=); NULL if it has none */
	uint32_t type_oid;
	uint32_t family; /* operator family of the equality, 0 if none */
	bool polymorphic; /* its equality takes only two of one type */
	bool text_equality; /* see pgripple_column */
	/* SQL of its value as captures show it, with the row as "t"; NULL
	 * unless this version is installed. */
	const char *value;
};

struct catalog_table {
	const char *quoted; /* NULL if there is no such table */
	struct catalog_column *columns; /* as in the graph's table */
	enum catalog_watch watch;
	const char *problem; /* NULL unless DIFFERENT or BROKEN */
};

/* How the columns of one relation's pair are compared. */
enum catalog_match {
	CATALOG_NO_MATCH,
	CATALOG_MATCH_DIRECT, /* to = from */
	CATALOG_MATCH_CAST_KEY, /* to = from::type of to */
	CATALOG_MATCH_CAST_ROW, /* to::type of from = from; no index helps */
};

struct catalog_relation {
	enum catalog_match matches[PGRIPPLE_MAX_MATCH];
};

/* In the order of the graph's tables and relations. */
struct catalog {
	struct catalog_table *tables;
	struct catalog_relation *relations;
	/* The installed objects. */
	bool installed;
	const char *version; /* NULL unless installed */
	int schema_version; /* 0 unless installed */
	const char *notify_mode; /* "always", "never"; NULL unless installed */
	/* Tables that are watched and in no model; quoted. */
	const char **strays;
	size_t n_strays;
	/* CONFIG errors of the graph, at the mention: unknown tables and
	 * columns, tables that cannot be watched, incomparable columns. */
	struct pgripple_errors problems;
	struct arena *arena; /* owns all of the above */
};

void catalog_free(struct catalog *catalog);

/* catalog is given to the callee, who frees it; NULL unless DONE. */
typedef void (*catalog_describe_cb)(void *context, enum session_outcome outcome,
    struct catalog *catalog, const struct pgripple_error *err);

/* Looks the graph up in the catalog and tells the graph what it found, settled.
 * The graph must live until the callback and must not be read meanwhile by a
 * walk.  Several statements; the session is busy until the callback.  FAILED
 * with kind NOMEM when memory ran out.  -1: not accepted. */
int catalog_describe_submit(struct session *session, const char *schema,
    struct pgripple_graph *graph, catalog_describe_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;
/* The same, blocking. */
int catalog_describe(struct command *command, const char *schema,
    struct pgripple_graph *graph, struct catalog **ret_catalog,
    struct pgripple_error *err) MUST_CHECK;

#endif
