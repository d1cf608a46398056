/*
 * The states of the daemon's side of the doorbell, as a table.
 *
 * What makes it right is the way to sleep: an empty fetch, then K, then, in a
 * later statement, a fetch that is empty too.  When K is granted every writer
 * that did not ring has ended, so that this second fetch sees its row; whoever
 * comes later cannot share K, and rings.
 *
 * K is given back when something was found, not when it rings: so a forged ring
 * costs one empty fetch.  While K is held too long, writers ring for nothing,
 * and every ring is followed by a fetch.  But K is not asked for again before
 * it was given back.
 *
 * While one change after the other comes, batches would be of one change each:
 * so whoever is awake and found little waits for company.  The fetch that woke
 * it never waits.  What rang meanwhile is forgotten with the wait: the fetch
 * that ends it comes after.
 */
#include "flow/doorbell_states.h"

/* Every pair that is not listed is a DOORBELL_BUG, and the state stays. */
static const struct row {
	enum doorbell_state state;
	enum doorbell_event event;
	struct doorbell_transition transition;
} rows[] = {
    {DOORBELL_DEAF, DOORBELL_ON_READY, {DOORBELL_AWAKE, DOORBELL_FETCH}},
    {DOORBELL_DEAF, DOORBELL_ON_DOWN, {DOORBELL_DEAF, DOORBELL_NOTHING}},
    {DOORBELL_DEAF, DOORBELL_ON_POLL, {DOORBELL_DEAF, DOORBELL_FETCH}},
    {DOORBELL_DEAF, DOORBELL_ON_FOUND, {DOORBELL_DEAF, DOORBELL_FETCH}},
    {DOORBELL_DEAF, DOORBELL_ON_FEW, {DOORBELL_DEAF, DOORBELL_FETCH}},
    {DOORBELL_DEAF, DOORBELL_ON_EMPTY, {DOORBELL_DEAF, DOORBELL_NOTHING}},

    {DOORBELL_AWAKE, DOORBELL_ON_DOWN, {DOORBELL_DEAF, DOORBELL_NOTHING}},
    {DOORBELL_AWAKE, DOORBELL_ON_RING, {DOORBELL_AWAKE, DOORBELL_FETCH}},
    {DOORBELL_AWAKE, DOORBELL_ON_POLL, {DOORBELL_AWAKE, DOORBELL_FETCH}},
    {DOORBELL_AWAKE, DOORBELL_ON_FOUND, {DOORBELL_AWAKE, DOORBELL_FETCH}},
    {DOORBELL_AWAKE, DOORBELL_ON_FEW, {DOORBELL_GATHERING, DOORBELL_GATHER}},
    {DOORBELL_AWAKE, DOORBELL_ON_EMPTY, {DOORBELL_LOCKING, DOORBELL_LOCK}},

    {DOORBELL_LOCKING, DOORBELL_ON_DOWN, {DOORBELL_DEAF, DOORBELL_NOTHING}},
    {DOORBELL_LOCKING, DOORBELL_ON_RING, {DOORBELL_LOCKING, DOORBELL_NOTHING}},
    {DOORBELL_LOCKING, DOORBELL_ON_POLL, {DOORBELL_LOCKING, DOORBELL_NOTHING}},
    {DOORBELL_LOCKING, DOORBELL_ON_LOCKED, {DOORBELL_CHECKING, DOORBELL_FETCH}},
    {DOORBELL_LOCKING, DOORBELL_ON_REFUSED, {DOORBELL_DOZING, DOORBELL_DOZE}},

    {DOORBELL_CHECKING, DOORBELL_ON_DOWN, {DOORBELL_DEAF, DOORBELL_FETCH}},
    {DOORBELL_CHECKING, DOORBELL_ON_RING, {DOORBELL_CHECKING, DOORBELL_FETCH}},
    {DOORBELL_CHECKING, DOORBELL_ON_POLL,
	{DOORBELL_CHECKING, DOORBELL_NOTHING}},
    {DOORBELL_CHECKING, DOORBELL_ON_FOUND,
	{DOORBELL_UNLOCKING, DOORBELL_UNLOCK_AND_FETCH}},
    {DOORBELL_CHECKING, DOORBELL_ON_FEW,
	{DOORBELL_UNLOCKING, DOORBELL_UNLOCK_AND_FETCH}},
    {DOORBELL_CHECKING, DOORBELL_ON_EMPTY, {DOORBELL_ASLEEP, DOORBELL_NOTHING}},

    {DOORBELL_ASLEEP, DOORBELL_ON_DOWN, {DOORBELL_DEAF, DOORBELL_FETCH}},
    {DOORBELL_ASLEEP, DOORBELL_ON_RING, {DOORBELL_CHECKING, DOORBELL_FETCH}},
    {DOORBELL_ASLEEP, DOORBELL_ON_POLL, {DOORBELL_CHECKING, DOORBELL_FETCH}},
    {DOORBELL_ASLEEP, DOORBELL_ON_FOUND,
	{DOORBELL_UNLOCKING, DOORBELL_UNLOCK_AND_FETCH}},
    {DOORBELL_ASLEEP, DOORBELL_ON_FEW,
	{DOORBELL_UNLOCKING, DOORBELL_UNLOCK_AND_FETCH}},
    {DOORBELL_ASLEEP, DOORBELL_ON_EMPTY, {DOORBELL_ASLEEP, DOORBELL_NOTHING}},

    {DOORBELL_UNLOCKING, DOORBELL_ON_DOWN, {DOORBELL_DEAF, DOORBELL_FETCH}},
    {DOORBELL_UNLOCKING, DOORBELL_ON_RING,
	{DOORBELL_UNLOCKING, DOORBELL_FETCH}},
    {DOORBELL_UNLOCKING, DOORBELL_ON_POLL,
	{DOORBELL_UNLOCKING, DOORBELL_NOTHING}},
    {DOORBELL_UNLOCKING, DOORBELL_ON_FOUND,
	{DOORBELL_UNLOCKING, DOORBELL_FETCH}},
    {DOORBELL_UNLOCKING, DOORBELL_ON_FEW, {DOORBELL_UNLOCKING, DOORBELL_FETCH}},
    {DOORBELL_UNLOCKING, DOORBELL_ON_EMPTY,
	{DOORBELL_UNLOCKING, DOORBELL_NOTHING}},
    {DOORBELL_UNLOCKING, DOORBELL_ON_UNLOCKED,
	{DOORBELL_AWAKE, DOORBELL_FETCH}},

    {DOORBELL_DOZING, DOORBELL_ON_DOWN, {DOORBELL_DEAF, DOORBELL_NOTHING}},
    {DOORBELL_DOZING, DOORBELL_ON_RING, {DOORBELL_AWAKE, DOORBELL_FETCH}},
    {DOORBELL_DOZING, DOORBELL_ON_POLL, {DOORBELL_DOZING, DOORBELL_NOTHING}},
    {DOORBELL_DOZING, DOORBELL_ON_TIMER, {DOORBELL_AWAKE, DOORBELL_FETCH}},

    {DOORBELL_GATHERING, DOORBELL_ON_DOWN, {DOORBELL_DEAF, DOORBELL_FETCH}},
    {DOORBELL_GATHERING, DOORBELL_ON_RING,
	{DOORBELL_GATHERING, DOORBELL_NOTHING}},
    {DOORBELL_GATHERING, DOORBELL_ON_POLL,
	{DOORBELL_GATHERING, DOORBELL_NOTHING}},
    {DOORBELL_GATHERING, DOORBELL_ON_TIMER, {DOORBELL_AWAKE, DOORBELL_FETCH}},
};

struct doorbell_transition
doorbell_transition(enum doorbell_state state, enum doorbell_event event)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].state == state && rows[i].event == event)
			return rows[i].transition;
	return (struct doorbell_transition){state, DOORBELL_BUG};
}

const char *
doorbell_state_name(enum doorbell_state state)
{
	switch (state) {
	case DOORBELL_DEAF:
		return "deaf";
	case DOORBELL_AWAKE:
		return "awake";
	case DOORBELL_LOCKING:
		return "locking";
	case DOORBELL_CHECKING:
		return "checking";
	case DOORBELL_ASLEEP:
		return "asleep";
	case DOORBELL_UNLOCKING:
		return "unlocking";
	case DOORBELL_DOZING:
		return "dozing";
	case DOORBELL_GATHERING:
		return "gathering";
	}
	return "unknown";
}

const char *
doorbell_event_name(enum doorbell_event event)
{
	switch (event) {
	case DOORBELL_ON_READY:
		return "ready";
	case DOORBELL_ON_DOWN:
		return "down";
	case DOORBELL_ON_RING:
		return "ring";
	case DOORBELL_ON_POLL:
		return "poll";
	case DOORBELL_ON_FOUND:
		return "found";
	case DOORBELL_ON_FEW:
		return "few";
	case DOORBELL_ON_EMPTY:
		return "empty";
	case DOORBELL_ON_LOCKED:
		return "locked";
	case DOORBELL_ON_REFUSED:
		return "refused";
	case DOORBELL_ON_UNLOCKED:
		return "unlocked";
	case DOORBELL_ON_TIMER:
		return "timer";
	}
	return "unknown";
}
