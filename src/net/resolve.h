/*
 * Names to addresses, without blocking the event loop.
 *
 * getaddrinfo() is the one resolver that follows the machine's settings (hosts
 * file, nsswitch, search domains), and it waits for name servers, ten seconds
 * and longer when they are silent.  So it runs in a thread of its own, which
 * hands the answer over and ends.
 */
#ifndef PGRIPPLE_NET_RESOLVE_H
#define PGRIPPLE_NET_RESOLVE_H

#include <stddef.h>

#include "base/util.h"

#define RESOLVE_MAX_ADDRESSES 16
#define RESOLVE_ADDRESS_TEXT 64 /* IPv6 with a scope */

struct event_base;
struct resolve; /* a look-up under way */

struct resolved {
	size_t n_addresses;
	/* Numeric, in the order in which they are to be tried. */
	char addresses[RESOLVE_MAX_ADDRESSES][RESOLVE_ADDRESS_TEXT];
};

/* From the event loop; exactly one is not NULL, and lent for the callback.
 * The error is a PEER.  The look-up is over and freed. */
typedef void (*resolve_cb)(void *context, const struct resolved *resolved,
    const struct pgripple_error *err);

/* The host is copied.  There is no deadline: the caller has one, and cancels.
 * -1: NOMEM; LIMIT if too many earlier look-ups still wait for name servers. */
int resolve_start(struct event_base *base, const char *host, resolve_cb done,
    void *context, struct resolve **ret_resolve,
    struct pgripple_error *err) MUST_CHECK;
/* No callback follows.  Nothing happens if it is NULL. */
void resolve_cancel(struct resolve *resolve);

/* Blocks: for the command line.  -1: PEER. */
int resolve_now(const char *host, struct resolved *ret_resolved,
    struct pgripple_error *err) MUST_CHECK;

#endif
