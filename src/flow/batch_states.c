/*
 * The states of a batch, as a table.
 */
#include "flow/batch_states.h"

/* Every pair that is not listed is a BATCH_BUG, and the state stays. */
static const struct row {
	enum batch_state state;
	enum batch_event event;
	struct batch_transition transition;
} rows[] = {
    {BATCH_IDLE, BATCH_ON_START, {BATCH_FETCHING, BATCH_FETCH}},
    {BATCH_FETCHING, BATCH_ON_EMPTY, {BATCH_IDLE, BATCH_SLEEP}},
    {BATCH_FETCHING, BATCH_ON_FETCHED, {BATCH_RESOLVING, BATCH_RESOLVE}},
    {BATCH_FETCHING, BATCH_ON_FAILED, {BATCH_PAUSING, BATCH_DROP}},
    {BATCH_RESOLVING, BATCH_ON_LOOKUPS, {BATCH_RESOLVING, BATCH_LOOK_UP}},
    {BATCH_RESOLVING, BATCH_ON_RESOLVED, {BATCH_APPLYING, BATCH_APPLY}},
    {BATCH_RESOLVING, BATCH_ON_MARKED, {BATCH_CLAIMING, BATCH_CLAIM}},
    {BATCH_RESOLVING, BATCH_ON_FAILED, {BATCH_PAUSING, BATCH_DROP}},
    {BATCH_CLAIMING, BATCH_ON_CLAIMED, {BATCH_APPLYING, BATCH_APPLY}},
    {BATCH_CLAIMING, BATCH_ON_FAILED, {BATCH_PAUSING, BATCH_DROP}},
    {BATCH_APPLYING, BATCH_ON_APPLIED,
	{BATCH_ACKNOWLEDGING, BATCH_ACKNOWLEDGE}},
    {BATCH_APPLYING, BATCH_ON_FAILED, {BATCH_PAUSING, BATCH_DROP}},
    {BATCH_ACKNOWLEDGING, BATCH_ON_ACKNOWLEDGED, {BATCH_IDLE, BATCH_FINISH}},
    {BATCH_ACKNOWLEDGING, BATCH_ON_KEPT,
	{BATCH_PAUSING, BATCH_FINISH_AND_PAUSE}},
    {BATCH_ACKNOWLEDGING, BATCH_ON_FAILED, {BATCH_PAUSING, BATCH_DROP}},
    {BATCH_PAUSING, BATCH_ON_TIMER, {BATCH_IDLE, BATCH_REST}},
};

struct batch_transition
batch_transition(enum batch_state state, enum batch_event event)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].state == state && rows[i].event == event)
			return rows[i].transition;
	return (struct batch_transition){state, BATCH_BUG};
}

const char *
batch_state_name(enum batch_state state)
{
	switch (state) {
	case BATCH_IDLE:
		return "idle";
	case BATCH_FETCHING:
		return "fetching";
	case BATCH_RESOLVING:
		return "resolving";
	case BATCH_CLAIMING:
		return "claiming";
	case BATCH_APPLYING:
		return "applying";
	case BATCH_ACKNOWLEDGING:
		return "acknowledging";
	case BATCH_PAUSING:
		return "pausing";
	}
	return "unknown";
}

const char *
batch_event_name(enum batch_event event)
{
	switch (event) {
	case BATCH_ON_START:
		return "start";
	case BATCH_ON_EMPTY:
		return "empty";
	case BATCH_ON_FETCHED:
		return "fetched";
	case BATCH_ON_LOOKUPS:
		return "lookups";
	case BATCH_ON_RESOLVED:
		return "resolved";
	case BATCH_ON_MARKED:
		return "marked";
	case BATCH_ON_CLAIMED:
		return "claimed";
	case BATCH_ON_APPLIED:
		return "applied";
	case BATCH_ON_ACKNOWLEDGED:
		return "acknowledged";
	case BATCH_ON_KEPT:
		return "kept";
	case BATCH_ON_FAILED:
		return "failed";
	case BATCH_ON_TIMER:
		return "timer";
	}
	return "unknown";
}
