/*
 * The states of what watches over a target's mark, as a table.  Pure.
 */
#ifndef PGRIPPLE_FLOW_REPLAY_STATES_H
#define PGRIPPLE_FLOW_REPLAY_STATES_H

enum replay_state {
	REPLAY_DOWN, /* no connection */
	REPLAY_UNCLAIMED, /* connected, but another daemon may work */
	REPLAY_LOOKING, /* at the mark */
	REPLAY_PAUSING, /* the look was refused: until the next one */
	REPLAY_OWING, /* waits for the work session: something was lost */
	REPLAY_TELLING, /* tasks that repeat it are being added */
	REPLAY_READY, /* operations may be sent */
};
#define REPLAY_N_STATES (REPLAY_READY + 1)

enum replay_event {
	REPLAY_ON_UP, /* the connection */
	REPLAY_ON_DOWN,
	REPLAY_ON_CLAIMED,
	REPLAY_ON_KNOWN, /* the mark: nothing was lost */
	REPLAY_ON_LOST,
	REPLAY_ON_REFUSED, /* the look, for now */
	REPLAY_ON_TIMER,
	REPLAY_ON_TURN, /* the work session is ours */
	REPLAY_ON_TOLD,
	REPLAY_ON_TELL_FAILED,
};
#define REPLAY_N_EVENTS (REPLAY_ON_TELL_FAILED + 1)

enum replay_action {
	REPLAY_NOTHING,
	REPLAY_SEE_CLAIM, /* go on if there is one */
	REPLAY_LOOK,
	REPLAY_PAUSE,
	REPLAY_REQUEST_TURN,
	REPLAY_TELL,
	REPLAY_ANNOUNCE, /* it may be used */
	REPLAY_RETIRE, /* it may not be used any more */
	REPLAY_GLANCE, /* at the mark of a target that is in use */
	REPLAY_BUG, /* cannot happen */
};

struct replay_transition {
	enum replay_state next;
	enum replay_action action;
};

struct replay_transition replay_transition(
    enum replay_state state, enum replay_event event);

const char *replay_state_name(enum replay_state state);
const char *replay_event_name(enum replay_event event);

#endif
