/*
 * A target's table: the ways down and back, and every event in every state.
 */
#include <criterion/criterion.h>

#include "base/util.h"
#include "flow/target_states.h"

struct expectation {
	enum target_event event;
	struct target_transition transition;
};

static void
follow(enum target_state state, const struct expectation *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct target_transition seen =
		    target_transition(state, steps[i].event);

		cr_assert_eq(seen.next, steps[i].transition.next,
		    "%s on %s leads to %s", target_state_name(state),
		    target_event_name(steps[i].event),
		    target_state_name(seen.next));
		cr_assert_eq(seen.action, steps[i].transition.action);
		state = seen.next;
	}
}

Test(target_states, is_awaited_and_then_postponed)
{
	static const struct expectation steps[] = {
	    {TARGET_ON_UP, {TARGET_UP, TARGET_RESUME}},
	    {TARGET_ON_DOWN, {TARGET_AWAITED, TARGET_HAVE_PATIENCE}},
	    {TARGET_ON_TIMER, {TARGET_POSTPONED, TARGET_POSTPONE}},
	    {TARGET_ON_UP, {TARGET_UP, TARGET_RESUME}},
	};

	follow(TARGET_AWAITED, steps, N_ELEMENTS(steps));
}

Test(target_states, is_tried_again_if_it_refuses)
{
	static const struct expectation steps[] = {
	    {TARGET_ON_REFUSED, {TARGET_POSTPONED, TARGET_POSTPONE_AND_RETRY}},
	    {TARGET_ON_TIMER, {TARGET_UP, TARGET_TRY}},
	    {TARGET_ON_REFUSED, {TARGET_POSTPONED, TARGET_POSTPONE_AND_RETRY}},
	    {TARGET_ON_REFUSED, {TARGET_POSTPONED, TARGET_POSTPONE_AND_RETRY}},
	    {TARGET_ON_DOWN, {TARGET_POSTPONED, TARGET_NOTHING}},
	    {TARGET_ON_UP, {TARGET_UP, TARGET_RESUME}},
	};

	follow(TARGET_UP, steps, N_ELEMENTS(steps));
}

/* Only a connection, or a new attempt, ends a postponement; nothing but time
 * begins one. */
Test(target_states, has_no_other_way_to_be_postponed_or_up)
{
	for (int state = 0; state < TARGET_N_STATES; state++)
		for (int event = 0; event < TARGET_N_EVENTS; event++) {
			struct target_transition seen = target_transition(
			    (enum target_state)state, (enum target_event)event);

			if (seen.next == TARGET_POSTPONED &&
			    state != TARGET_POSTPONED)
				cr_assert(event == TARGET_ON_TIMER ||
					  event == TARGET_ON_REFUSED);
			if (seen.next == TARGET_UP && state != TARGET_UP)
				cr_assert(event == TARGET_ON_TIMER ||
					  event == TARGET_ON_UP);
		}
}

Test(target_states, stays_where_it_is_on_what_cannot_happen)
{
	int n_possible = 0;

	for (int state = 0; state < TARGET_N_STATES; state++)
		for (int event = 0; event < TARGET_N_EVENTS; event++) {
			struct target_transition seen = target_transition(
			    (enum target_state)state, (enum target_event)event);

			if (seen.action == TARGET_BUG)
				cr_assert_eq((int)seen.next, state);
			else
				n_possible++;
		}
	cr_assert_eq(n_possible, 8);
}

Test(target_states, has_names_for_all)
{
	for (int state = 0; state < TARGET_N_STATES; state++)
		cr_assert_str_neq(
		    target_state_name((enum target_state)state), "unknown");
	for (int event = 0; event < TARGET_N_EVENTS; event++)
		cr_assert_str_neq(
		    target_event_name((enum target_event)event), "unknown");
}
