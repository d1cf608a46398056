/*
 * The states of the task runner, as a table.  Pure.
 */
#ifndef PGRIPPLE_FLOW_TASKS_STATES_H
#define PGRIPPLE_FLOW_TASKS_STATES_H

enum tasks_state {
	TASKS_IDLE, /* no task is known to be due */
	TASKS_WANTING, /* waits for the work session, to ask for a task */
	TASKS_ASKING,
	TASKS_SCANNING, /* Redis does a slice */
	TASKS_PAUSING, /* between two slices, or after a failure */
	TASKS_ENDING, /* waits for the work session, to remove the task */
	TASKS_MARKING, /* Redis sets a mark behind it */
	TASKS_REMOVING,
};
#define TASKS_N_STATES (TASKS_REMOVING + 1)

enum tasks_event {
	TASKS_ON_WAKE,
	TASKS_ON_TURN,
	TASKS_ON_NONE, /* no task is due */
	TASKS_ON_TASK,
	TASKS_ON_MALFORMED, /* a task that cannot be understood */
	TASKS_ON_SLICE, /* done, and there is more */
	TASKS_ON_LAST_SLICE,
	TASKS_ON_MARKED,
	TASKS_ON_UNMARKED, /* it was not, or Redis may have gone back since */
	TASKS_ON_SLICE_FAILED,
	TASKS_ON_POSTPONED, /* its target: the task is left for later */
	TASKS_ON_TIMER,
	TASKS_ON_REMOVED,
	TASKS_ON_STATEMENT_FAILED,
};
#define TASKS_N_EVENTS (TASKS_ON_STATEMENT_FAILED + 1)

enum tasks_action {
	TASKS_NOTHING,
	TASKS_REST, /* unless woken meanwhile, until something is due */
	TASKS_REQUEST_TURN,
	TASKS_ASK,
	TASKS_BEGIN, /* the first slice */
	TASKS_SCAN, /* the next slice */
	TASKS_PAUSE,
	TASKS_PAUSE_LONG, /* after a failure */
	TASKS_MARK, /* unless nothing was done */
	TASKS_REMOVE,
	TASKS_BUG, /* cannot happen */
};

struct tasks_transition {
	enum tasks_state next;
	enum tasks_action action;
};

struct tasks_transition tasks_transition(
    enum tasks_state state, enum tasks_event event);

const char *tasks_state_name(enum tasks_state state);
const char *tasks_event_name(enum tasks_event event);

#endif
