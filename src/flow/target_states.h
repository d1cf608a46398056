/*
 * The states of a target, as a table.  Pure.
 */
#ifndef PGRIPPLE_FLOW_TARGET_STATES_H
#define PGRIPPLE_FLOW_TARGET_STATES_H

enum target_state {
	TARGET_UP,
	TARGET_AWAITED, /* down: whoever needs it waits */
	TARGET_POSTPONED, /* for longer than its patience: nobody waits */
};
#define TARGET_N_STATES (TARGET_POSTPONED + 1)

enum target_event {
	TARGET_ON_UP, /* the connection */
	TARGET_ON_DOWN,
	TARGET_ON_REFUSED, /* it has refused all for longer than its patience */
	TARGET_ON_TIMER, /* of the state */
};
#define TARGET_N_EVENTS (TARGET_ON_TIMER + 1)

enum target_action {
	TARGET_NOTHING,
	TARGET_RESUME, /* nothing holds it up */
	TARGET_TRY, /* what it refused before */
	TARGET_HAVE_PATIENCE, /* timer: until that is over */
	TARGET_POSTPONE,
	TARGET_POSTPONE_AND_RETRY, /* timer: until it is tried again */
	TARGET_BUG, /* cannot happen */
};

struct target_transition {
	enum target_state next;
	enum target_action action;
};

struct target_transition target_transition(
    enum target_state state, enum target_event event);

const char *target_state_name(enum target_state state);
const char *target_event_name(enum target_event event);

#endif
