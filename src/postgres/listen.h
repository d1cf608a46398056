/*
 * The listen session: hears the doorbell.  LISTEN is committed before on_ready
 * is called, so who catches up from there misses nothing.
 */
#ifndef PGRIPPLE_POSTGRES_LISTEN_H
#define PGRIPPLE_POSTGRES_LISTEN_H

#include <stdbool.h>

#include "base/util.h"
#include "postgres/session.h"

struct listen;

struct listen_listener {
	void *context;
	/* LISTEN holds: read the whole outbox now, then trust the doorbell. */
	void (*on_ready)(void *context);
	/* Deaf, until on_ready comes again. */
	void (*on_down)(void *context, const struct pgripple_error *err);
	/* The doorbell rang, at least once. */
	void (*on_ring)(void *context);
};

/* Copies the options, the schema's name and the listener.  While the schema is
 * not installed, that is logged and tried again. */
int listen_new(struct event_base *base, const struct session_options *options,
    const char *schema, const struct listen_listener *listener,
    struct listen **ret_listen, struct pgripple_error *err) MUST_CHECK;
void listen_free(struct listen *listen);
void listen_start(struct listen *listen);
void listen_stop(struct listen *listen);
bool listen_is_ready(const struct listen *listen);

#endif
