/*
 * The states of a connection to Redis.
 *
 *	stopped -> connecting -> verifying -> up
 *	              |              |         |
 *	              +--------------+---------+-> dropping -> waiting
 *	              ^                                           |
 *	              +-------------------------------------------+
 *
 * A stop leads from anywhere to closing and from there to stopped.  Dropping
 * and closing end when the deferred release has run: that is the only place
 * where a context is freed and where lost commands complete.  An event that
 * comes late (a reply after the decision to drop) changes nothing.
 */
#include "redis/connection_states.h"

#include <stdbool.h>

#define S(state) CONNECTION_##state
#define E(event) [CONNECTION_EVENT_##event]
#define GO(state, action)                                            \
	{                                                            \
		true, CONNECTION_##state, CONNECTION_ACTION_##action \
	}

struct entry {
	bool is_set; /* otherwise the event is ignored */
	enum connection_state next;
	enum connection_action action;
};

static const struct entry table[CONNECTION_N_STATES][CONNECTION_N_EVENTS] =
    {
	[S(STOPPED)] =
	    {
		E(START) = GO(CONNECTING, CONNECT),
		E(STOP) = GO(CLOSING, RELEASE),
	    },
	[S(CONNECTING)] =
	    {
		E(STOP) = GO(CLOSING, RELEASE),
		E(CONNECTED) = GO(VERIFYING, VERIFY),
		E(FAILED) = GO(DROPPING, RELEASE),
		E(TIMER) = GO(DROPPING, EXPIRE),
	    },
	[S(VERIFYING)] =
	    {
		E(STOP) = GO(CLOSING, RELEASE),
		E(VERIFIED) = GO(UP, ANNOUNCE),
		E(FAILED) = GO(DROPPING, RELEASE),
		E(TIMER) = GO(DROPPING, EXPIRE),
	    },
	[S(UP)] =
	    {
		E(STOP) = GO(CLOSING, RELEASE),
		E(FAILED) = GO(DROPPING, RELEASE),
		E(TIMER) = GO(UP, WATCH),
	    },
	[S(DROPPING)] =
	    {
		E(STOP) = GO(CLOSING, NONE),
		E(RELEASED) = GO(WAITING, WAIT),
	    },
	[S(WAITING)] =
	    {
		E(STOP) = GO(CLOSING, RELEASE),
		E(TIMER) = GO(CONNECTING, CONNECT),
	    },
	[S(CLOSING)] =
	    {
		E(RELEASED) = GO(STOPPED, REPORT),
	    },
};

struct connection_transition
connection_next(enum connection_state state, enum connection_event event)
{
	const struct entry *entry = &table[state][event];

	if (!entry->is_set)
		return (struct connection_transition){
		    state, CONNECTION_ACTION_NONE};
	return (struct connection_transition){entry->next, entry->action};
}

const char *
connection_state_name(enum connection_state state)
{
	switch (state) {
	case CONNECTION_STOPPED:
		return "stopped";
	case CONNECTION_CONNECTING:
		return "connecting";
	case CONNECTION_VERIFYING:
		return "verifying";
	case CONNECTION_UP:
		return "up";
	case CONNECTION_DROPPING:
		return "dropping";
	case CONNECTION_WAITING:
		return "waiting";
	case CONNECTION_CLOSING:
		return "closing";
	}
	return "?";
}

const char *
connection_event_name(enum connection_event event)
{
	switch (event) {
	case CONNECTION_EVENT_START:
		return "start";
	case CONNECTION_EVENT_STOP:
		return "stop";
	case CONNECTION_EVENT_CONNECTED:
		return "connected";
	case CONNECTION_EVENT_VERIFIED:
		return "verified";
	case CONNECTION_EVENT_FAILED:
		return "failed";
	case CONNECTION_EVENT_TIMER:
		return "timer";
	case CONNECTION_EVENT_RELEASED:
		return "released";
	}
	return "?";
}

const char *
connection_action_name(enum connection_action action)
{
	switch (action) {
	case CONNECTION_ACTION_NONE:
		return "none";
	case CONNECTION_ACTION_CONNECT:
		return "connect";
	case CONNECTION_ACTION_VERIFY:
		return "verify";
	case CONNECTION_ACTION_ANNOUNCE:
		return "announce";
	case CONNECTION_ACTION_WATCH:
		return "watch";
	case CONNECTION_ACTION_EXPIRE:
		return "expire";
	case CONNECTION_ACTION_RELEASE:
		return "release";
	case CONNECTION_ACTION_WAIT:
		return "wait";
	case CONNECTION_ACTION_REPORT:
		return "report";
	}
	return "?";
}
