/*
 * The states of the task runner, as a table.
 *
 * When a task is removed the runner asks again, until there is none.  A wake
 * that comes while it asks is remembered by the caller (tasks.c), which sets
 * the timer for what is due later.  A statement that failed leaves the task
 * where it is, and so does one that could not be marked: it is done again after
 * the next wake, of which the daemon's poll timer sends one every few seconds.
 */
#include "flow/tasks_states.h"

/* Every pair that is not listed is a TASKS_BUG, and the state stays. */
static const struct row {
	enum tasks_state state;
	enum tasks_event event;
	struct tasks_transition transition;
} rows[] = {
    {TASKS_IDLE, TASKS_ON_WAKE, {TASKS_WANTING, TASKS_REQUEST_TURN}},
    {TASKS_IDLE, TASKS_ON_TIMER, {TASKS_WANTING, TASKS_REQUEST_TURN}},
    {TASKS_WANTING, TASKS_ON_WAKE, {TASKS_WANTING, TASKS_NOTHING}},
    {TASKS_ASKING, TASKS_ON_WAKE, {TASKS_ASKING, TASKS_NOTHING}},
    {TASKS_SCANNING, TASKS_ON_WAKE, {TASKS_SCANNING, TASKS_NOTHING}},
    {TASKS_PAUSING, TASKS_ON_WAKE, {TASKS_PAUSING, TASKS_NOTHING}},
    {TASKS_ENDING, TASKS_ON_WAKE, {TASKS_ENDING, TASKS_NOTHING}},
    {TASKS_MARKING, TASKS_ON_WAKE, {TASKS_MARKING, TASKS_NOTHING}},
    {TASKS_REMOVING, TASKS_ON_WAKE, {TASKS_REMOVING, TASKS_NOTHING}},

    {TASKS_WANTING, TASKS_ON_TURN, {TASKS_ASKING, TASKS_ASK}},
    {TASKS_ASKING, TASKS_ON_NONE, {TASKS_IDLE, TASKS_REST}},
    {TASKS_ASKING, TASKS_ON_TASK, {TASKS_SCANNING, TASKS_BEGIN}},
    {TASKS_ASKING, TASKS_ON_MALFORMED, {TASKS_ENDING, TASKS_REQUEST_TURN}},
    {TASKS_ASKING, TASKS_ON_STATEMENT_FAILED, {TASKS_IDLE, TASKS_NOTHING}},

    {TASKS_SCANNING, TASKS_ON_SLICE, {TASKS_PAUSING, TASKS_PAUSE}},
    {TASKS_SCANNING, TASKS_ON_SLICE_FAILED, {TASKS_PAUSING, TASKS_PAUSE_LONG}},
    {TASKS_SCANNING, TASKS_ON_LAST_SLICE, {TASKS_ENDING, TASKS_REQUEST_TURN}},
    {TASKS_PAUSING, TASKS_ON_TIMER, {TASKS_SCANNING, TASKS_SCAN}},
    {TASKS_SCANNING, TASKS_ON_POSTPONED, {TASKS_WANTING, TASKS_REQUEST_TURN}},

    {TASKS_ENDING, TASKS_ON_TURN, {TASKS_MARKING, TASKS_MARK}},
    {TASKS_MARKING, TASKS_ON_MARKED, {TASKS_REMOVING, TASKS_REMOVE}},
    {TASKS_MARKING, TASKS_ON_UNMARKED, {TASKS_IDLE, TASKS_PAUSE_LONG}},
    {TASKS_REMOVING, TASKS_ON_UNMARKED, {TASKS_IDLE, TASKS_PAUSE_LONG}},
    {TASKS_REMOVING, TASKS_ON_REMOVED, {TASKS_WANTING, TASKS_REQUEST_TURN}},
    {TASKS_REMOVING, TASKS_ON_STATEMENT_FAILED, {TASKS_IDLE, TASKS_NOTHING}},
};

struct tasks_transition
tasks_transition(enum tasks_state state, enum tasks_event event)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].state == state && rows[i].event == event)
			return rows[i].transition;
	return (struct tasks_transition){state, TASKS_BUG};
}

const char *
tasks_state_name(enum tasks_state state)
{
	switch (state) {
	case TASKS_IDLE:
		return "idle";
	case TASKS_WANTING:
		return "wanting";
	case TASKS_ASKING:
		return "asking";
	case TASKS_SCANNING:
		return "scanning";
	case TASKS_PAUSING:
		return "pausing";
	case TASKS_ENDING:
		return "ending";
	case TASKS_MARKING:
		return "marking";
	case TASKS_REMOVING:
		return "removing";
	}
	return "unknown";
}

const char *
tasks_event_name(enum tasks_event event)
{
	switch (event) {
	case TASKS_ON_WAKE:
		return "wake";
	case TASKS_ON_TURN:
		return "turn";
	case TASKS_ON_NONE:
		return "none";
	case TASKS_ON_TASK:
		return "task";
	case TASKS_ON_MALFORMED:
		return "malformed";
	case TASKS_ON_SLICE:
		return "slice";
	case TASKS_ON_LAST_SLICE:
		return "last slice";
	case TASKS_ON_POSTPONED:
		return "postponed";
	case TASKS_ON_MARKED:
		return "marked";
	case TASKS_ON_UNMARKED:
		return "unmarked";
	case TASKS_ON_SLICE_FAILED:
		return "slice failed";
	case TASKS_ON_TIMER:
		return "timer";
	case TASKS_ON_REMOVED:
		return "removed";
	case TASKS_ON_STATEMENT_FAILED:
		return "statement failed";
	}
	return "unknown";
}
