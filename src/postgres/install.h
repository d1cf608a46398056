/*
 * What must be run to make the database fit the graph, and how it is run: each
 * step in a transaction of its own, resumable, giving way to whoever holds a
 * lock.
 */
#ifndef PGRIPPLE_POSTGRES_INSTALL_H
#define PGRIPPLE_POSTGRES_INSTALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pgripple/graph.h>

#include "base/util.h"
#include "postgres/catalog.h"

struct buf;
struct command;

enum install_kind {
	INSTALL_OBJECTS, /* the schema and everything in it */
	INSTALL_NOTIFY,
	INSTALL_WATCH,
	INSTALL_UNWATCH,
};

const char *install_kind_name(enum install_kind kind);

struct install_step {
	enum install_kind kind;
	const char *subject; /* the schema, the notify mode or the table */
	const char *sql; /* one statement; OBJECTS: a whole script */
	/* WATCH: asks what that would change, a row in words for each; NULL
	 * for the others, which are planned only where something is to be
	 * changed. */
	const char *question;
};

struct install_plan {
	struct install_step *steps;
	size_t n_steps;
	struct arena *arena; /* owns all of the above */
};

struct install_options {
	const char *schema;
	const char *notify_mode; /* "always", "never" */
	int64_t bulk_rows;
};

/* The steps towards the graph.  With a catalog, only what may be needed: the
 * objects are left out if they are those of this version, the notify mode if
 * it is right; every table is named, because only watch() can tell whether it
 * would change something.  Without one (NULL): for an empty database. */
int install_plan_make(const struct pgripple_graph *graph,
    const struct catalog *catalog, const struct install_options *options,
    struct install_plan **ret_plan, struct pgripple_error *err) MUST_CHECK;
void install_plan_free(struct install_plan *plan);

struct install_patience {
	int64_t lock_timeout_ms;
	int n_attempts;
	int64_t pause_ms; /* between two of them */
	/* Told before each pause; may be NULL. */
	void (*on_wait)(void *context, const struct install_step *step,
	    const struct pgripple_error *err);
	void *context;
};

/* Runs a step in a transaction; when a lock cannot be had in time, again.
 * ret_changed: false if everything was already right. */
int install_run(struct command *command, const struct install_step *step,
    const struct install_patience *patience, bool *ret_changed,
    struct pgripple_error *err) MUST_CHECK;

/* The script that removes everything, for psql or command_script(). */
int install_removal(const char *schema, struct buf *script,
    struct pgripple_error *err) MUST_CHECK;
/* The script in sql/, with the schema's name in place. */
int install_objects(const char *schema, struct buf *script,
    struct pgripple_error *err) MUST_CHECK;

#endif
