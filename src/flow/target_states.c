/*
 * The states of a target, as a table.
 *
 * A target that is postponed because it refuses keeps its connection, so that
 * no connection tells when it is well again: it is tried from time to time.
 */
#include "flow/target_states.h"

/* Every pair that is not listed is a TARGET_BUG, and the state stays. */
static const struct row {
	enum target_state state;
	enum target_event event;
	struct target_transition transition;
} rows[] = {
    {TARGET_UP, TARGET_ON_DOWN, {TARGET_AWAITED, TARGET_HAVE_PATIENCE}},
    {TARGET_UP, TARGET_ON_REFUSED,
	{TARGET_POSTPONED, TARGET_POSTPONE_AND_RETRY}},

    {TARGET_AWAITED, TARGET_ON_UP, {TARGET_UP, TARGET_RESUME}},
    {TARGET_AWAITED, TARGET_ON_TIMER, {TARGET_POSTPONED, TARGET_POSTPONE}},

    {TARGET_POSTPONED, TARGET_ON_UP, {TARGET_UP, TARGET_RESUME}},
    {TARGET_POSTPONED, TARGET_ON_DOWN, {TARGET_POSTPONED, TARGET_NOTHING}},
    /* What was sent to it before that. */
    {TARGET_POSTPONED, TARGET_ON_REFUSED,
	{TARGET_POSTPONED, TARGET_POSTPONE_AND_RETRY}},
    {TARGET_POSTPONED, TARGET_ON_TIMER, {TARGET_UP, TARGET_TRY}},
};

struct target_transition
target_transition(enum target_state state, enum target_event event)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].state == state && rows[i].event == event)
			return rows[i].transition;
	return (struct target_transition){state, TARGET_BUG};
}

const char *
target_state_name(enum target_state state)
{
	switch (state) {
	case TARGET_UP:
		return "up";
	case TARGET_AWAITED:
		return "awaited";
	case TARGET_POSTPONED:
		return "postponed";
	}
	return "unknown";
}

const char *
target_event_name(enum target_event event)
{
	switch (event) {
	case TARGET_ON_UP:
		return "up";
	case TARGET_ON_DOWN:
		return "down";
	case TARGET_ON_REFUSED:
		return "refused";
	case TARGET_ON_TIMER:
		return "timer";
	}
	return "unknown";
}
