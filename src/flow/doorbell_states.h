/*
 * The states of the daemon's side of the doorbell, as a table.  Pure.
 *
 * The daemon holds the lock K exactly while it sleeps: a writer that can share
 * K knows that nobody sleeps and need not ring.  docs/protocols.md has the
 * proof; tests/model/doorbell.pml the model.
 */
#ifndef PGRIPPLE_FLOW_DOORBELL_STATES_H
#define PGRIPPLE_FLOW_DOORBELL_STATES_H

enum doorbell_state {
	DOORBELL_DEAF, /* no LISTEN: the poll timer alone wakes */
	DOORBELL_AWAKE, /* fetching until the outbox is empty */
	DOORBELL_LOCKING, /* K was asked for */
	DOORBELL_CHECKING, /* K is held; the fetch that makes sure */
	DOORBELL_ASLEEP, /* K is held; whoever writes must ring */
	DOORBELL_UNLOCKING, /* K is being given back */
	DOORBELL_DOZING, /* K was refused: a writer is under way */
	DOORBELL_GATHERING, /* awake, and little comes at a time */
};
#define DOORBELL_N_STATES (DOORBELL_GATHERING + 1)

enum doorbell_event {
	DOORBELL_ON_READY, /* LISTEN holds, and so do we the lock L */
	DOORBELL_ON_DOWN, /* the session is gone, and its locks with it */
	DOORBELL_ON_RING,
	DOORBELL_ON_POLL, /* the sweep, every few seconds */
	DOORBELL_ON_FOUND, /* a batch ended that was not empty */
	DOORBELL_ON_FEW, /* the same, but it was far from full */
	DOORBELL_ON_EMPTY, /* a fetch found nothing */
	DOORBELL_ON_LOCKED,
	DOORBELL_ON_REFUSED,
	DOORBELL_ON_UNLOCKED,
	DOORBELL_ON_TIMER,
};
#define DOORBELL_N_EVENTS (DOORBELL_ON_TIMER + 1)

enum doorbell_action {
	DOORBELL_NOTHING,
	DOORBELL_FETCH,
	DOORBELL_LOCK, /* what rang before is forgotten first */
	DOORBELL_UNLOCK_AND_FETCH, /* at the same time */
	DOORBELL_DOZE, /* fetch again soon */
	DOORBELL_GATHER, /* fetch again when more has come */
	DOORBELL_BUG, /* cannot happen */
};

struct doorbell_transition {
	enum doorbell_state next;
	enum doorbell_action action;
};

struct doorbell_transition doorbell_transition(
    enum doorbell_state state, enum doorbell_event event);

const char *doorbell_state_name(enum doorbell_state state);
const char *doorbell_event_name(enum doorbell_event event);

#endif
