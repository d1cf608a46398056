/*
 * Which server this is, and whether it may have lost commits: after a crash, a
 * failover, the restore of a backup.  Then the database writes a change of
 * every watched table as a whole.
 */
#ifndef PGRIPPLE_POSTGRES_SERVER_H
#define PGRIPPLE_POSTGRES_SERVER_H

#include <stdbool.h>

#include "base/util.h"
#include "postgres/session.h"

enum server_verdict {
	SERVER_KNOWN, /* nothing has happened */
	SERVER_FIRST, /* nobody has ever asked */
	SERVER_CRASH, /* it has recovered from a crash */
	SERVER_TIMELINE, /* promoted, or restored up to some point */
	SERVER_SYSTEM, /* another one, with the same tables */
	SERVER_COPY, /* the tables were restored from a dump */
};
#define SERVER_N_VERDICTS (SERVER_COPY + 1)

const char *server_verdict_name(enum server_verdict verdict);

struct server_policy {
	bool ignores_crash;
	bool ignores_timeline; /* and system, and copy */
};

/* Lent for the callback. */
struct server_recognition {
	enum server_verdict verdict;
	bool is_ignored; /* nothing was touched because of it */
	const char *former; /* "system 7, timeline 1"; NULL if FIRST */
	const char *present;
};

/* recognition is NULL unless DONE. */
typedef void (*server_cb)(void *context, enum session_outcome outcome,
    const struct server_recognition *recognition,
    const struct pgripple_error *err);

/* -1: not accepted. */
int server_recognise(struct session *session, const char *schema,
    const struct server_policy *policy, server_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;

#endif
