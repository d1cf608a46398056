/*
 * The daemon's side of the doorbell: when to fetch, and when to sleep.
 */
#ifndef PGRIPPLE_FLOW_DOORBELL_H
#define PGRIPPLE_FLOW_DOORBELL_H

#include <stdbool.h>

#include "base/util.h"
#include "flow/doorbell_states.h"

struct doorbell;
struct event_base;
struct listen;

/* Tells that the outbox is to be fetched when there is a turn; what was due
 * before is dropped when is_due is false. */
typedef void (*doorbell_cb)(void *context, bool is_due);

/* The listen session is borrowed. */
int doorbell_new(struct event_base *base, struct listen *listen,
    doorbell_cb fetch, void *context, struct doorbell **ret_doorbell,
    struct pgripple_error *err) MUST_CHECK;
void doorbell_free(struct doorbell *doorbell);

void doorbell_step(struct doorbell *doorbell, enum doorbell_event event);

#endif
