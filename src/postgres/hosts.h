/*
 * The hosts of a conninfo, in the order in which they are tried, with their
 * addresses: libpq would ask the resolver from inside the event loop, and wait
 * for it.  The name stays beside each address, for TLS compares it with the
 * server's certificate.  Private to this folder.
 */
#ifndef PGRIPPLE_POSTGRES_HOSTS_H
#define PGRIPPLE_POSTGRES_HOSTS_H

#include <stdint.h>

#include "base/util.h"

struct event_base;
struct hosts;

/* What libpq is told: lists of equal length, separated by commas.  NULL where
 * nothing is to be said. */
struct hosts_lists {
	char *host;
	char *hostaddr;
	char *port;
};

/* From the event loop.  err is NULL, or says why no host has an address. */
typedef void (*hosts_cb)(void *context, const struct pgripple_error *err);

/* The lists as the user wrote them, copied; each may be NULL. */
int hosts_new(const char *host, const char *hostaddr, const char *port,
    struct hosts **ret_hosts, struct pgripple_error *err) MUST_CHECK;
void hosts_free(struct hosts *hosts);

enum hosts_outcome {
	HOSTS_WAIT = 0, /* done will be called */
	HOSTS_KNOWN = 1, /* there is no name among them; no callback */
};

/* Looks all names up, together.  After patience_ms those that have no address
 * yet are left out, if any other has one.  The caller has a deadline for all of
 * it, and cancels. */
int hosts_resolve(struct hosts *hosts, struct event_base *base,
    int64_t patience_ms, hosts_cb done, void *context,
    struct pgripple_error *err) MUST_CHECK;
void hosts_cancel(struct hosts *hosts);

/* As last resolved; before that, as the user wrote them.  NULL: out of memory.
 * Lent until the next call. */
const struct hosts_lists *hosts_lists(struct hosts *hosts);

/* From now on the next one is the first, so that one that swallows packets
 * cannot starve those after it. */
void hosts_rotate(struct hosts *hosts);

#endif
