/*
 * The listen session: hears the doorbell, and holds two advisory locks.
 *
 * L makes one daemon of several the active one.  A session that cannot have it
 * stands by: it does not LISTEN, and asks again once a second.  Whoever holds L
 * without a sign of life for three heartbeats (a frozen process, a dead
 * network) is ended by who stands by.  Safety does not depend on L: two active
 * daemons do the same work twice.
 *
 * K says that the daemon sleeps: see flow/doorbell_states.h.
 *
 * LISTEN is committed before on_ready is called, so who catches up from there
 * misses nothing.
 */
#ifndef PGRIPPLE_POSTGRES_LISTEN_H
#define PGRIPPLE_POSTGRES_LISTEN_H

#include <stdbool.h>

#include "base/util.h"
#include "postgres/session.h"
#include "postgres/state.h"

/* The advisory lock of the daemon that works, in the class of the schema. */
#define LISTEN_LOCK_L 2

struct listen;

struct listen_listener {
	void *context;
	/* About to claim: the last moment to change what is borrowed.  May be
	 * NULL. */
	void (*on_claiming)(void *context);
	/* L is ours, and so are the rows of the state, which are lent; comes
	 * before each on_ready.  May be NULL if nothing is to be claimed. */
	void (*on_claimed)(
	    void *context, const struct state_row *rows, size_t n_rows);
	/* L is ours and LISTEN holds: read the whole outbox now, then trust
	 * the doorbell. */
	void (*on_ready)(void *context);
	/* Deaf, and L and K are gone, until on_ready comes again. */
	void (*on_down)(void *context, const struct pgripple_error *err);
	/* Also: the server did not answer in time.  May be NULL. */
	void (*on_silence)(void *context);
	/* What a heartbeat has seen of the process that is watched, see
	 * session_take_sighting().  May be NULL. */
	void (*on_seen)(void *context, const char *seen);
	/* The doorbell rang, at least once. */
	void (*on_ring)(void *context);
	/* Another daemon has L: told once, until there is a change. */
	void (*on_standby)(void *context);
	/* K was asked for by listen_lock(), given back by listen_unlock().
	 * Neither comes when the session goes down: then on_down does. */
	void (*on_locked)(void *context, bool granted);
	void (*on_unlocked)(void *context);
};

/* Copies the options, the schema's name and the listener; what is claimed is
 * borrowed.  While the schema is not installed, that is logged and tried
 * again. */
int listen_new(struct event_base *base, const struct session_options *options,
    const char *schema, const struct state_claim *claim,
    const struct listen_listener *listener, struct listen **ret_listen,
    struct pgripple_error *err) MUST_CHECK;
void listen_free(struct listen *listen);
void listen_start(struct listen *listen);
void listen_stop(struct listen *listen);
bool listen_is_ready(const struct listen *listen);
bool listen_is_standby(const struct listen *listen);
/* Another daemon works, and yet L seems to be ours: begins anew, with a new
 * session. */
void listen_give_up(struct listen *listen, const struct pgripple_error *why);

/* Heartbeats look at this process of the server, of the session "work"; it is
 * as the session names it, so that there is none such behind a pooler. */
void listen_watch(struct listen *listen, int server_pid);

/* Asks for K, or gives it back; while ready, one at a time. */
void listen_lock(struct listen *listen);
void listen_unlock(struct listen *listen);

#endif
