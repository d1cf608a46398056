/*
 * How to connect: the user's conninfo with what we add to it, and what may be
 * said about it.  Private to this folder.
 */
#ifndef PGRIPPLE_POSTGRES_CONNINFO_H
#define PGRIPPLE_POSTGRES_CONNINFO_H

#include <libpq-fe.h>
#include <stddef.h>

#include "base/util.h"
#include "postgres/hosts.h"

struct conninfo;

/* name becomes the application_name, after "pgripple ".  CONFIG error if the
 * text cannot be parsed; it quotes nothing of the text, for that may be a
 * password. */
int conninfo_new(const char *text, const char *name,
    struct conninfo **ret_conninfo, struct pgripple_error *err) MUST_CHECK;
void conninfo_free(struct conninfo *conninfo);

/* Finds the addresses of the hosts, see hosts.h. */
int conninfo_resolve(struct conninfo *conninfo, struct event_base *base,
    int64_t patience_ms, hosts_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;
void conninfo_cancel(struct conninfo *conninfo);
/* Begins to connect; NULL when out of memory.  Blocks while libpq resolves
 * names, unless that was done before. */
PGconn *conninfo_connect(struct conninfo *conninfo);
/* The next attempt begins with the next host. */
void conninfo_rotate(struct conninfo *conninfo);

/* "host=... port=... dbname=... user=..." */
const char *conninfo_describe(const struct conninfo *conninfo);

/* Fills a PEER error from a message of libpq: on one line, without secrets.
 * Returns -1. */
int conninfo_error(const struct conninfo *conninfo, const char *message,
    struct pgripple_error *err);
/* The same from a statement's result, with the server's SQLSTATE and hint;
 * sqlstate may be NULL, it gets "" if it was not the server that failed. */
int conninfo_result_error(const struct conninfo *conninfo,
    const PGresult *result, char sqlstate[6], struct pgripple_error *err);

#endif
