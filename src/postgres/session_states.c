/*
 * What a session does on which event in which state.
 *
 *	STOPPED -> WAITING -> CONNECTING -> PREPARING -> IDLE -> BUSY
 *	              ^            |            |         | |      |
 *	              +------------+------------+---------+-+------+
 *	                                           BEATING
 *
 * An answer with nothing under way and the like cannot happen: libpq and our
 * own timers are the only sources of events.  They are listed all the same, so
 * that a mistake of ours is seen in the first test and not in the field.
 */
#include "postgres/session_states.h"

#include <stddef.h>

#define STAY(state, action)                       \
	{                                         \
		SESSION_##state, SESSION_##action \
	}
#define GO STAY

static const struct session_transition
    transitions[SESSION_N_STATES][SESSION_N_EVENTS] =
	{
	    [SESSION_STOPPED] =
		{
		    [SESSION_ON_START] = GO(WAITING, BEGIN),
		    [SESSION_ON_STOP] = STAY(STOPPED, NOTHING),
		    [SESSION_ON_CONNECTED] = STAY(STOPPED, BUG),
		    [SESSION_ON_PREPARED] = STAY(STOPPED, BUG),
		    [SESSION_ON_SUBMIT] = STAY(STOPPED, REFUSE),
		    [SESSION_ON_ANSWER] = STAY(STOPPED, BUG),
		    [SESSION_ON_TIMER] = STAY(STOPPED, NOTHING),
		    [SESSION_ON_LOST] = STAY(STOPPED, NOTHING),
		},
	    [SESSION_CONNECTING] =
		{
		    [SESSION_ON_START] = STAY(CONNECTING, NOTHING),
		    [SESSION_ON_STOP] = GO(STOPPED, CLOSE),
		    [SESSION_ON_CONNECTED] = GO(PREPARING, PREPARE),
		    [SESSION_ON_PREPARED] = STAY(CONNECTING, BUG),
		    [SESSION_ON_SUBMIT] = STAY(CONNECTING, REFUSE),
		    [SESSION_ON_ANSWER] = STAY(CONNECTING, BUG),
		    [SESSION_ON_TIMER] = GO(WAITING, RETRY),
		    [SESSION_ON_LOST] = GO(WAITING, RETRY),
		},
	    [SESSION_PREPARING] =
		{
		    [SESSION_ON_START] = STAY(PREPARING, NOTHING),
		    [SESSION_ON_STOP] = GO(STOPPED, CLOSE),
		    [SESSION_ON_CONNECTED] = STAY(PREPARING, BUG),
		    [SESSION_ON_PREPARED] = GO(IDLE, GO_UP),
		    [SESSION_ON_SUBMIT] = STAY(PREPARING, REFUSE),
		    [SESSION_ON_ANSWER] = STAY(PREPARING, BUG),
		    [SESSION_ON_TIMER] = GO(WAITING, RETRY),
		    [SESSION_ON_LOST] = GO(WAITING, RETRY),
		},
	    [SESSION_IDLE] =
		{
		    [SESSION_ON_START] = STAY(IDLE, NOTHING),
		    [SESSION_ON_STOP] = GO(STOPPED, CLOSE),
		    [SESSION_ON_CONNECTED] = STAY(IDLE, BUG),
		    [SESSION_ON_PREPARED] = STAY(IDLE, BUG),
		    [SESSION_ON_SUBMIT] = GO(BUSY, SEND),
		    [SESSION_ON_ANSWER] = STAY(IDLE, BUG),
		    [SESSION_ON_TIMER] = GO(BEATING, BEAT),
		    [SESSION_ON_LOST] = GO(WAITING, GO_DOWN),
		},
	    [SESSION_BUSY] =
		{
		    [SESSION_ON_START] = STAY(BUSY, NOTHING),
		    [SESSION_ON_STOP] = GO(STOPPED, CLOSE),
		    [SESSION_ON_CONNECTED] = STAY(BUSY, BUG),
		    [SESSION_ON_PREPARED] = STAY(BUSY, BUG),
		    [SESSION_ON_SUBMIT] = STAY(BUSY, REFUSE),
		    [SESSION_ON_ANSWER] = GO(IDLE, ANSWER),
		    [SESSION_ON_TIMER] = GO(WAITING, GO_DOWN),
		    [SESSION_ON_LOST] = GO(WAITING, GO_DOWN),
		},
	    [SESSION_BEATING] =
		{
		    [SESSION_ON_START] = STAY(BEATING, NOTHING),
		    [SESSION_ON_STOP] = GO(STOPPED, CLOSE),
		    [SESSION_ON_CONNECTED] = STAY(BEATING, BUG),
		    [SESSION_ON_PREPARED] = STAY(BEATING, BUG),
		    [SESSION_ON_SUBMIT] = STAY(BEATING, HOLD),
		    [SESSION_ON_ANSWER] = GO(IDLE, RESUME),
		    [SESSION_ON_TIMER] = GO(WAITING, GO_DOWN),
		    [SESSION_ON_LOST] = GO(WAITING, GO_DOWN),
		},
	    [SESSION_WAITING] =
		{
		    [SESSION_ON_START] = STAY(WAITING, NOTHING),
		    [SESSION_ON_STOP] = GO(STOPPED, CLOSE),
		    [SESSION_ON_CONNECTED] = STAY(WAITING, BUG),
		    [SESSION_ON_PREPARED] = STAY(WAITING, BUG),
		    [SESSION_ON_SUBMIT] = STAY(WAITING, REFUSE),
		    [SESSION_ON_ANSWER] = STAY(WAITING, BUG),
		    [SESSION_ON_TIMER] = GO(CONNECTING, CONNECT),
		    [SESSION_ON_LOST] = STAY(WAITING, NOTHING),
		},
};

struct session_transition
session_transition(enum session_state state, enum session_event event)
{
	return transitions[state][event];
}

const char *
session_state_name(enum session_state state)
{
	switch (state) {
	case SESSION_STOPPED:
		return "stopped";
	case SESSION_CONNECTING:
		return "connecting";
	case SESSION_PREPARING:
		return "preparing";
	case SESSION_IDLE:
		return "idle";
	case SESSION_BUSY:
		return "busy";
	case SESSION_BEATING:
		return "beating";
	case SESSION_WAITING:
		return "waiting";
	}
	return NULL;
}

const char *
session_event_name(enum session_event event)
{
	switch (event) {
	case SESSION_ON_START:
		return "start";
	case SESSION_ON_STOP:
		return "stop";
	case SESSION_ON_CONNECTED:
		return "connected";
	case SESSION_ON_PREPARED:
		return "prepared";
	case SESSION_ON_SUBMIT:
		return "submit";
	case SESSION_ON_ANSWER:
		return "answer";
	case SESSION_ON_TIMER:
		return "timer";
	case SESSION_ON_LOST:
		return "lost";
	}
	return NULL;
}
