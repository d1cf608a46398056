/*
 * The table of what watches over a mark: nothing is sent before the look, and
 * every event in every state.
 */
#include <criterion/criterion.h>

#include "base/util.h"
#include "flow/replay_states.h"

struct expectation {
	enum replay_event event;
	struct replay_transition transition;
};

static void
follow(const struct expectation *steps, size_t n)
{
	enum replay_state state = REPLAY_DOWN;

	for (size_t i = 0; i < n; i++) {
		struct replay_transition seen =
		    replay_transition(state, steps[i].event);

		cr_assert_eq(seen.next, steps[i].transition.next,
		    "%s on %s leads to %s", replay_state_name(state),
		    replay_event_name(steps[i].event),
		    replay_state_name(seen.next));
		cr_assert_eq(seen.action, steps[i].transition.action);
		state = seen.next;
	}
}

Test(replay_states, looks_and_goes_on)
{
	static const struct expectation steps[] = {
	    {REPLAY_ON_UP, {REPLAY_UNCLAIMED, REPLAY_SEE_CLAIM}},
	    {REPLAY_ON_CLAIMED, {REPLAY_LOOKING, REPLAY_LOOK}},
	    {REPLAY_ON_REFUSED, {REPLAY_PAUSING, REPLAY_PAUSE}},
	    {REPLAY_ON_TIMER, {REPLAY_LOOKING, REPLAY_LOOK}},
	    {REPLAY_ON_KNOWN, {REPLAY_READY, REPLAY_ANNOUNCE}},
	    {REPLAY_ON_TIMER, {REPLAY_READY, REPLAY_GLANCE}},
	    {REPLAY_ON_DOWN, {REPLAY_DOWN, REPLAY_RETIRE}},
	};

	follow(steps, N_ELEMENTS(steps));
}

Test(replay_states, repeats_what_was_lost_before_it_goes_on)
{
	static const struct expectation steps[] = {
	    {REPLAY_ON_UP, {REPLAY_UNCLAIMED, REPLAY_SEE_CLAIM}},
	    {REPLAY_ON_CLAIMED, {REPLAY_LOOKING, REPLAY_LOOK}},
	    {REPLAY_ON_LOST, {REPLAY_OWING, REPLAY_REQUEST_TURN}},
	    {REPLAY_ON_TURN, {REPLAY_TELLING, REPLAY_TELL}},
	    {REPLAY_ON_TELL_FAILED, {REPLAY_PAUSING, REPLAY_PAUSE}},
	    {REPLAY_ON_TIMER, {REPLAY_LOOKING, REPLAY_LOOK}},
	    {REPLAY_ON_LOST, {REPLAY_OWING, REPLAY_REQUEST_TURN}},
	    {REPLAY_ON_TURN, {REPLAY_TELLING, REPLAY_TELL}},
	    {REPLAY_ON_DOWN, {REPLAY_DOWN, REPLAY_NOTHING}},
	    {REPLAY_ON_TOLD, {REPLAY_DOWN, REPLAY_NOTHING}},
	    {REPLAY_ON_UP, {REPLAY_UNCLAIMED, REPLAY_SEE_CLAIM}},
	    {REPLAY_ON_CLAIMED, {REPLAY_LOOKING, REPLAY_LOOK}},
	    {REPLAY_ON_LOST, {REPLAY_OWING, REPLAY_REQUEST_TURN}},
	    {REPLAY_ON_TURN, {REPLAY_TELLING, REPLAY_TELL}},
	    {REPLAY_ON_TOLD, {REPLAY_READY, REPLAY_ANNOUNCE}},
	};

	follow(steps, N_ELEMENTS(steps));
}

Test(replay_states, is_ready_without_a_look_while_it_observes)
{
	static const struct expectation steps[] = {
	    {REPLAY_ON_UP, {REPLAY_UNCLAIMED, REPLAY_SEE_CLAIM}},
	    {REPLAY_ON_KNOWN, {REPLAY_READY, REPLAY_ANNOUNCE}},
	};

	follow(steps, N_ELEMENTS(steps));
}

Test(replay_states, is_down_without_a_connection_and_says_so_if_it_was_ready)
{
	for (int state = REPLAY_DOWN + 1; state < REPLAY_N_STATES; state++) {
		struct replay_transition seen =
		    replay_transition((enum replay_state)state, REPLAY_ON_DOWN);

		cr_assert_eq(seen.next, REPLAY_DOWN);
		cr_assert_eq(seen.action,
		    state == REPLAY_READY ? REPLAY_RETIRE : REPLAY_NOTHING);
	}
}

Test(replay_states, is_ready_only_after_a_look_or_while_it_observes)
{
	for (int state = 0; state < REPLAY_N_STATES; state++)
		for (int event = 0; event < REPLAY_N_EVENTS; event++) {
			struct replay_transition seen = replay_transition(
			    (enum replay_state)state, (enum replay_event)event);

			if (seen.next == REPLAY_READY && state != REPLAY_READY)
				cr_assert(event == REPLAY_ON_KNOWN ||
					  event == REPLAY_ON_TOLD);
		}
}

Test(replay_states, stays_where_it_is_on_what_cannot_happen)
{
	int n_possible = 0;

	for (int state = 0; state < REPLAY_N_STATES; state++)
		for (int event = 0; event < REPLAY_N_EVENTS; event++) {
			struct replay_transition seen = replay_transition(
			    (enum replay_state)state, (enum replay_event)event);

			if (seen.action == REPLAY_BUG)
				cr_assert_eq((int)seen.next, state);
			else
				n_possible++;
		}
	cr_assert_eq(n_possible, 35);
}

Test(replay_states, names_every_state_and_event)
{
	for (int state = 0; state < REPLAY_N_STATES; state++)
		cr_assert_str_neq(
		    replay_state_name((enum replay_state)state), "unknown");
	for (int event = 0; event < REPLAY_N_EVENTS; event++)
		cr_assert_str_neq(
		    replay_event_name((enum replay_event)event), "unknown");
}
