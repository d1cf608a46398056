/*
 * The batch's table: the way through, and every event in every state.
 */
#include <criterion/criterion.h>

#include "base/util.h"
#include "flow/batch_states.h"

struct expectation {
	enum batch_event event;
	struct batch_transition transition;
};

static void
follow(const struct expectation *steps, size_t n_steps)
{
	enum batch_state state = BATCH_IDLE;

	for (size_t i = 0; i < n_steps; i++) {
		struct batch_transition seen =
		    batch_transition(state, steps[i].event);

		cr_assert_eq(seen.next, steps[i].transition.next,
		    "%s on %s leads to %s", batch_state_name(state),
		    batch_event_name(steps[i].event),
		    batch_state_name(seen.next));
		cr_assert_eq(seen.action, steps[i].transition.action);
		state = seen.next;
	}
}

Test(batch_states, goes_from_fetch_to_acknowledgement)
{
	static const struct expectation steps[] = {
	    {BATCH_ON_START, {BATCH_FETCHING, BATCH_FETCH}},
	    {BATCH_ON_FETCHED, {BATCH_RESOLVING, BATCH_RESOLVE}},
	    {BATCH_ON_LOOKUPS, {BATCH_RESOLVING, BATCH_LOOK_UP}},
	    {BATCH_ON_LOOKUPS, {BATCH_RESOLVING, BATCH_LOOK_UP}},
	    {BATCH_ON_RESOLVED, {BATCH_APPLYING, BATCH_APPLY}},
	    {BATCH_ON_APPLIED, {BATCH_ACKNOWLEDGING, BATCH_ACKNOWLEDGE}},
	    {BATCH_ON_ACKNOWLEDGED, {BATCH_IDLE, BATCH_FINISH}},
	    {BATCH_ON_START, {BATCH_FETCHING, BATCH_FETCH}},
	    {BATCH_ON_EMPTY, {BATCH_IDLE, BATCH_SLEEP}},
	};

	follow(steps, N_ELEMENTS(steps));
}

Test(batch_states, acknowledges_only_what_was_applied)
{
	for (int state = 0; state < BATCH_N_STATES; state++)
		for (int event = 0; event < BATCH_N_EVENTS; event++) {
			struct batch_transition seen = batch_transition(
			    (enum batch_state)state, (enum batch_event)event);

			if (seen.action == BATCH_ACKNOWLEDGE)
				cr_assert(state == BATCH_APPLYING &&
					  event == BATCH_ON_APPLIED);
			if (seen.action == BATCH_FINISH)
				cr_assert(state == BATCH_ACKNOWLEDGING &&
					  event == BATCH_ON_ACKNOWLEDGED);
			if (seen.action == BATCH_FINISH_AND_PAUSE)
				cr_assert(state == BATCH_ACKNOWLEDGING &&
					  event == BATCH_ON_KEPT);
		}
}

Test(batch_states, claims_marks_before_it_applies_them)
{
	static const struct expectation steps[] = {
	    {BATCH_ON_START, {BATCH_FETCHING, BATCH_FETCH}},
	    {BATCH_ON_FETCHED, {BATCH_RESOLVING, BATCH_RESOLVE}},
	    {BATCH_ON_MARKED, {BATCH_CLAIMING, BATCH_CLAIM}},
	    {BATCH_ON_CLAIMED, {BATCH_APPLYING, BATCH_APPLY}},
	    {BATCH_ON_APPLIED, {BATCH_ACKNOWLEDGING, BATCH_ACKNOWLEDGE}},
	    {BATCH_ON_KEPT, {BATCH_PAUSING, BATCH_FINISH_AND_PAUSE}},
	    {BATCH_ON_TIMER, {BATCH_IDLE, BATCH_REST}},
	};

	follow(steps, N_ELEMENTS(steps));
}

Test(batch_states, drops_the_batch_on_failure_in_every_step)
{
	for (int state = BATCH_FETCHING; state < BATCH_PAUSING; state++) {
		struct batch_transition seen =
		    batch_transition((enum batch_state)state, BATCH_ON_FAILED);

		cr_assert_eq(seen.next, BATCH_PAUSING);
		cr_assert_eq(seen.action, BATCH_DROP);
	}
}

Test(batch_states, starts_again_after_a_pause)
{
	struct batch_transition seen =
	    batch_transition(BATCH_PAUSING, BATCH_ON_TIMER);

	cr_assert_eq(seen.next, BATCH_IDLE);
	cr_assert_eq(seen.action, BATCH_REST);
}

Test(batch_states, stays_where_it_is_on_what_cannot_happen)
{
	int n_possible = 0;

	for (int state = 0; state < BATCH_N_STATES; state++)
		for (int event = 0; event < BATCH_N_EVENTS; event++) {
			struct batch_transition seen = batch_transition(
			    (enum batch_state)state, (enum batch_event)event);

			if (seen.action == BATCH_BUG)
				cr_assert_eq(
				    (int)seen.next, state, "leaves its state");
			else
				n_possible++;
		}
	cr_assert_eq(n_possible, 16);
}

Test(batch_states, names_every_state_and_event)
{
	for (int state = 0; state < BATCH_N_STATES; state++)
		cr_assert_str_neq(
		    batch_state_name((enum batch_state)state), "unknown");
	for (int event = 0; event < BATCH_N_EVENTS; event++)
		cr_assert_str_neq(
		    batch_event_name((enum batch_event)event), "unknown");
}
