/*
 * The probe: looks from time to time at what waits in the outbox, and sends a
 * canary when nothing else has proven for a while that changes get through.
 *
 * The canary is a ping, a row that goes the whole way: outbox, doorbell, fetch,
 * Redis, acknowledgement.
 */
#ifndef PGRIPPLE_FLOW_PROBE_H
#define PGRIPPLE_FLOW_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "config/settings.h"
#include "postgres/backlog.h"

struct event_base;
struct probe;
struct session;

/* What goes from Redis with each canary; nobody has it. */
#define PROBE_KEY "pgripple:canary"

struct probe_listener {
	void *context;
	/* It wants the session now, or is done with it. */
	void (*on_turn)(void *context);
};

int probe_new(struct event_base *base, struct session *work,
    const struct probe_listener *listener, struct probe **ret_probe,
    struct pgripple_error *err) MUST_CHECK;
void probe_free(struct probe *probe);
/* Borrowed. */
void probe_configure(struct probe *probe, const struct settings *settings);

/* It has a statement for the work session, which is given its turn, up and not
 * busy; is_live: a canary could get through. */
bool probe_wants_session(const struct probe *probe, bool is_live);
void probe_take_turn(struct probe *probe, int64_t above_id);

/* A fetch that was begun then found the outbox empty; or this as the time of
 * the oldest change. */
void probe_saw_empty(struct probe *probe, int64_t wall_us);
void probe_saw_oldest(struct probe *probe, int64_t wall_us);
/* A batch was acknowledged, and a canary may have been in it. */
void probe_saw_proof(struct probe *probe, bool is_canary);

/* When last looked; all 0 before. */
const struct backlog *probe_backlog(const struct probe *probe);
/* Of the oldest change that is not acknowledged; 0: there is none. */
int64_t probe_oldest_age_us(const struct probe *probe);
/* Since something went all the way; since the start, if nothing did. */
int64_t probe_proof_age_us(const struct probe *probe);
/* It is longer than a canary that is not late would take. */
bool probe_is_late(const struct probe *probe);
/* Wall clock; 0: not yet. */
int64_t probe_looked_us(const struct probe *probe);

#endif
