/*
 * The states of a batch, as a table.  Pure.
 *
 * A batch that fails is dropped, whatever it had got to: its rows are still in
 * the outbox, and doing them again is harmless.
 */
#ifndef PGRIPPLE_FLOW_BATCH_STATES_H
#define PGRIPPLE_FLOW_BATCH_STATES_H

enum batch_state {
	BATCH_IDLE,
	BATCH_FETCHING,
	BATCH_RESOLVING, /* lookups are under way */
	BATCH_CLAIMING, /* marks that changes may hide behind */
	BATCH_APPLYING,
	BATCH_ACKNOWLEDGING,
	BATCH_PAUSING, /* after a failure, before the next attempt */
};
#define BATCH_N_STATES (BATCH_PAUSING + 1)

enum batch_event {
	BATCH_ON_START,
	BATCH_ON_EMPTY, /* fetched, and nothing is there */
	BATCH_ON_FETCHED,
	BATCH_ON_LOOKUPS, /* the walk needs answers to go on */
	BATCH_ON_RESOLVED, /* all touched rows are known */
	BATCH_ON_MARKED, /* the same, and there are marks among the changes */
	BATCH_ON_CLAIMED,
	BATCH_ON_APPLIED, /* proven by Redis */
	BATCH_ON_ACKNOWLEDGED,
	BATCH_ON_KEPT, /* the same, but some marks had to stay */
	BATCH_ON_FAILED, /* a peer was lost or refused, or memory ran out */
	BATCH_ON_TIMER,
};
#define BATCH_N_EVENTS (BATCH_ON_TIMER + 1)

enum batch_action {
	BATCH_FETCH,
	BATCH_SLEEP, /* until the doorbell rings */
	BATCH_RESOLVE, /* decode, and begin to walk */
	BATCH_LOOK_UP,
	BATCH_CLAIM,
	BATCH_APPLY,
	BATCH_ACKNOWLEDGE,
	BATCH_FINISH, /* report and free */
	BATCH_FINISH_AND_PAUSE, /* what was kept is not fetched at once */
	BATCH_DROP, /* free, and pause */
	BATCH_REST, /* over: the next one may start */
	BATCH_BUG, /* cannot happen */
};

struct batch_transition {
	enum batch_state next;
	enum batch_action action;
};

struct batch_transition batch_transition(
    enum batch_state state, enum batch_event event);

const char *batch_state_name(enum batch_state state);
const char *batch_event_name(enum batch_event event);

#endif
