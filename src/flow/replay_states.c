/*
 * The states of what watches over a target's mark, as a table.
 *
 * Whatever is not as it should be drops the connection, and a new one begins
 * with a look.  A statement that was under way then goes on alone: what it
 * answers is taken, but moves nothing.
 */
#include "flow/replay_states.h"

#include <stdbool.h>

/* Every pair that is not listed is a REPLAY_BUG, and the state stays. */
static const struct row {
	enum replay_state state;
	enum replay_event event;
	struct replay_transition transition;
} rows[] = {
    {REPLAY_DOWN, REPLAY_ON_UP, {REPLAY_UNCLAIMED, REPLAY_SEE_CLAIM}},
    {REPLAY_UNCLAIMED, REPLAY_ON_CLAIMED, {REPLAY_LOOKING, REPLAY_LOOK}},
    /* Nothing is sent to it while the daemon only observes. */
    {REPLAY_UNCLAIMED, REPLAY_ON_KNOWN, {REPLAY_READY, REPLAY_ANNOUNCE}},

    {REPLAY_LOOKING, REPLAY_ON_KNOWN, {REPLAY_READY, REPLAY_ANNOUNCE}},
    {REPLAY_LOOKING, REPLAY_ON_LOST, {REPLAY_OWING, REPLAY_REQUEST_TURN}},
    {REPLAY_LOOKING, REPLAY_ON_REFUSED, {REPLAY_PAUSING, REPLAY_PAUSE}},
    {REPLAY_PAUSING, REPLAY_ON_TIMER, {REPLAY_LOOKING, REPLAY_LOOK}},

    {REPLAY_OWING, REPLAY_ON_TURN, {REPLAY_TELLING, REPLAY_TELL}},
    {REPLAY_TELLING, REPLAY_ON_TOLD, {REPLAY_READY, REPLAY_ANNOUNCE}},
    {REPLAY_TELLING, REPLAY_ON_TELL_FAILED, {REPLAY_PAUSING, REPLAY_PAUSE}},

    {REPLAY_READY, REPLAY_ON_TIMER, {REPLAY_READY, REPLAY_GLANCE}},

    {REPLAY_UNCLAIMED, REPLAY_ON_DOWN, {REPLAY_DOWN, REPLAY_NOTHING}},
    {REPLAY_LOOKING, REPLAY_ON_DOWN, {REPLAY_DOWN, REPLAY_NOTHING}},
    {REPLAY_PAUSING, REPLAY_ON_DOWN, {REPLAY_DOWN, REPLAY_NOTHING}},
    {REPLAY_OWING, REPLAY_ON_DOWN, {REPLAY_DOWN, REPLAY_NOTHING}},
    {REPLAY_TELLING, REPLAY_ON_DOWN, {REPLAY_DOWN, REPLAY_NOTHING}},
    {REPLAY_READY, REPLAY_ON_DOWN, {REPLAY_DOWN, REPLAY_RETIRE}},
};

/* What comes too late, or too early, for a state that has moved on. */
static bool
is_of_no_matter(enum replay_state state, enum replay_event event)
{
	switch (event) {
	case REPLAY_ON_CLAIMED:
		return state != REPLAY_UNCLAIMED;
	case REPLAY_ON_TOLD:
	case REPLAY_ON_TELL_FAILED:
		return state != REPLAY_TELLING;
	case REPLAY_ON_UP:
	case REPLAY_ON_DOWN:
	case REPLAY_ON_KNOWN:
	case REPLAY_ON_LOST:
	case REPLAY_ON_REFUSED:
	case REPLAY_ON_TIMER:
	case REPLAY_ON_TURN:
		return false;
	}
	return false;
}

struct replay_transition
replay_transition(enum replay_state state, enum replay_event event)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].state == state && rows[i].event == event)
			return rows[i].transition;
	return (struct replay_transition){
	    state, is_of_no_matter(state, event) ? REPLAY_NOTHING : REPLAY_BUG};
}

const char *
replay_state_name(enum replay_state state)
{
	switch (state) {
	case REPLAY_DOWN:
		return "down";
	case REPLAY_UNCLAIMED:
		return "unclaimed";
	case REPLAY_LOOKING:
		return "looking";
	case REPLAY_PAUSING:
		return "pausing";
	case REPLAY_OWING:
		return "owing";
	case REPLAY_TELLING:
		return "telling";
	case REPLAY_READY:
		return "ready";
	}
	return "unknown";
}

const char *
replay_event_name(enum replay_event event)
{
	switch (event) {
	case REPLAY_ON_UP:
		return "up";
	case REPLAY_ON_DOWN:
		return "down";
	case REPLAY_ON_CLAIMED:
		return "claimed";
	case REPLAY_ON_KNOWN:
		return "known";
	case REPLAY_ON_LOST:
		return "lost";
	case REPLAY_ON_REFUSED:
		return "refused";
	case REPLAY_ON_TIMER:
		return "timer";
	case REPLAY_ON_TURN:
		return "turn";
	case REPLAY_ON_TOLD:
		return "told";
	case REPLAY_ON_TELL_FAILED:
		return "tell failed";
	}
	return "unknown";
}
