/*
 * Gaps in the capture: watched tables whose triggers were dropped, disabled or
 * replaced.  What happens in a gap is not seen; so the database writes a change
 * of the whole table when one opens and when it closes.
 *
 * The same look tells whether the installed objects are still those of before.
 */
#ifndef PGRIPPLE_POSTGRES_GAPS_H
#define PGRIPPLE_POSTGRES_GAPS_H

#include <stddef.h>

#include "base/util.h"
#include "postgres/session.h"

struct gap {
	const char *table;
	const char *problem; /* NULL: the gap has closed */
};

struct gaps {
	int schema_version;
	size_t n_problems; /* watched tables with which something is wrong */
	/* Those that opened or closed since the last look. */
	struct gap *news;
	size_t n_news;
};

/* The gaps are lent for the callback; NULL unless DONE. */
typedef void (*gaps_cb)(void *context, enum session_outcome outcome,
    const struct gaps *gaps, const struct pgripple_error *err);

/* Looks at every watched table.  -1: not accepted. */
int gaps_look(struct session *session, const char *schema, gaps_cb done,
    void *context, struct pgripple_error *err) MUST_CHECK;

#endif
