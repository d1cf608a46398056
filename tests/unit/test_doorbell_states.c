/*
 * The doorbell's table: the ways to sleep and to wake, and every event in every
 * state.
 */
#include <criterion/criterion.h>

#include "base/util.h"
#include "flow/doorbell_states.h"

struct expectation {
	enum doorbell_event event;
	struct doorbell_transition transition;
};

static void
follow(enum doorbell_state state, const struct expectation *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct doorbell_transition seen =
		    doorbell_transition(state, steps[i].event);

		cr_assert_eq(seen.next, steps[i].transition.next,
		    "%s on %s leads to %s", doorbell_state_name(state),
		    doorbell_event_name(steps[i].event),
		    doorbell_state_name(seen.next));
		cr_assert_eq(seen.action, steps[i].transition.action);
		state = seen.next;
	}
}

Test(doorbell_states, sleeps_after_an_empty_fetch_the_lock_and_another_one)
{
	static const struct expectation steps[] = {
	    {DOORBELL_ON_READY, {DOORBELL_AWAKE, DOORBELL_FETCH}},
	    {DOORBELL_ON_FOUND, {DOORBELL_AWAKE, DOORBELL_FETCH}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_LOCKING, DOORBELL_LOCK}},
	    {DOORBELL_ON_LOCKED, {DOORBELL_CHECKING, DOORBELL_FETCH}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_ASLEEP, DOORBELL_NOTHING}},
	};

	follow(DOORBELL_DEAF, steps, N_ELEMENTS(steps));
}

Test(doorbell_states, never_sleeps_without_the_lock_and_a_fetch_after_it)
{
	for (int state = 0; state < DOORBELL_N_STATES; state++)
		for (int event = 0; event < DOORBELL_N_EVENTS; event++) {
			struct doorbell_transition seen =
			    doorbell_transition((enum doorbell_state)state,
				(enum doorbell_event)event);

			if (seen.action == DOORBELL_BUG)
				continue;
			if (seen.next == DOORBELL_ASLEEP)
				cr_assert((state == DOORBELL_CHECKING ||
					      state == DOORBELL_ASLEEP) &&
					  event == DOORBELL_ON_EMPTY);
			if (seen.next == DOORBELL_CHECKING &&
			    state != DOORBELL_CHECKING)
				cr_assert_eq(seen.action, DOORBELL_FETCH);
		}
}

Test(doorbell_states, asks_for_the_lock_only_when_it_was_given_back)
{
	for (int state = 0; state < DOORBELL_N_STATES; state++)
		for (int event = 0; event < DOORBELL_N_EVENTS; event++)
			if (doorbell_transition((enum doorbell_state)state,
				(enum doorbell_event)event)
				.action == DOORBELL_LOCK)
				cr_assert_eq(state, DOORBELL_AWAKE);
}

Test(doorbell_states, wakes_when_it_rings_and_something_is_there)
{
	static const struct expectation steps[] = {
	    {DOORBELL_ON_RING, {DOORBELL_CHECKING, DOORBELL_FETCH}},
	    {DOORBELL_ON_FOUND,
		{DOORBELL_UNLOCKING, DOORBELL_UNLOCK_AND_FETCH}},
	    {DOORBELL_ON_FOUND, {DOORBELL_UNLOCKING, DOORBELL_FETCH}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_UNLOCKING, DOORBELL_NOTHING}},
	    {DOORBELL_ON_UNLOCKED, {DOORBELL_AWAKE, DOORBELL_FETCH}},
	};

	follow(DOORBELL_ASLEEP, steps, N_ELEMENTS(steps));
}

Test(doorbell_states, sleeps_on_when_a_forged_ring_found_nothing)
{
	static const struct expectation steps[] = {
	    {DOORBELL_ON_RING, {DOORBELL_CHECKING, DOORBELL_FETCH}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_ASLEEP, DOORBELL_NOTHING}},
	};

	follow(DOORBELL_ASLEEP, steps, N_ELEMENTS(steps));
}

Test(doorbell_states, fetches_after_a_ring_that_came_during_a_fetch)
{
	static const struct expectation steps[] = {
	    {DOORBELL_ON_RING, {DOORBELL_CHECKING, DOORBELL_FETCH}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_ASLEEP, DOORBELL_NOTHING}},
	    {DOORBELL_ON_FOUND,
		{DOORBELL_UNLOCKING, DOORBELL_UNLOCK_AND_FETCH}},
	};

	follow(DOORBELL_CHECKING, steps, N_ELEMENTS(steps));
}

Test(doorbell_states, looks_again_soon_while_a_writer_is_under_way)
{
	static const struct expectation steps[] = {
	    {DOORBELL_ON_REFUSED, {DOORBELL_DOZING, DOORBELL_DOZE}},
	    {DOORBELL_ON_TIMER, {DOORBELL_AWAKE, DOORBELL_FETCH}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_LOCKING, DOORBELL_LOCK}},
	};

	follow(DOORBELL_LOCKING, steps, N_ELEMENTS(steps));
}

Test(doorbell_states, waits_for_company_when_awake_and_never_else)
{
	static const struct expectation steps[] = {
	    {DOORBELL_ON_RING, {DOORBELL_CHECKING, DOORBELL_FETCH}},
	    {DOORBELL_ON_FEW, {DOORBELL_UNLOCKING, DOORBELL_UNLOCK_AND_FETCH}},
	    {DOORBELL_ON_FEW, {DOORBELL_UNLOCKING, DOORBELL_FETCH}},
	    {DOORBELL_ON_UNLOCKED, {DOORBELL_AWAKE, DOORBELL_FETCH}},
	    {DOORBELL_ON_FEW, {DOORBELL_GATHERING, DOORBELL_GATHER}},
	    {DOORBELL_ON_RING, {DOORBELL_GATHERING, DOORBELL_NOTHING}},
	    {DOORBELL_ON_TIMER, {DOORBELL_AWAKE, DOORBELL_FETCH}},
	    {DOORBELL_ON_FOUND, {DOORBELL_AWAKE, DOORBELL_FETCH}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_LOCKING, DOORBELL_LOCK}},
	};

	follow(DOORBELL_ASLEEP, steps, N_ELEMENTS(steps));
}

Test(doorbell_states, is_deaf_when_the_session_is_gone)
{
	for (int state = 0; state < DOORBELL_N_STATES; state++) {
		struct doorbell_transition seen = doorbell_transition(
		    (enum doorbell_state)state, DOORBELL_ON_DOWN);
		bool may_have_missed =
		    state == DOORBELL_CHECKING || state == DOORBELL_ASLEEP ||
		    state == DOORBELL_UNLOCKING || state == DOORBELL_GATHERING;

		cr_assert_eq(seen.next, DOORBELL_DEAF);
		cr_assert_eq(seen.action,
		    may_have_missed ? DOORBELL_FETCH : DOORBELL_NOTHING, "%s",
		    doorbell_state_name((enum doorbell_state)state));
	}
}

/* A ring or a poll while a fetch is due anyway changes nothing. */
Test(doorbell_states, fetches_once_more_unless_that_is_due_anyway)
{
	static const struct {
		enum doorbell_state state;
		enum doorbell_event event;
		enum doorbell_action action;
	} cases[] = {
	    {DOORBELL_AWAKE, DOORBELL_ON_RING, DOORBELL_FETCH},
	    {DOORBELL_AWAKE, DOORBELL_ON_POLL, DOORBELL_FETCH},
	    {DOORBELL_LOCKING, DOORBELL_ON_RING, DOORBELL_NOTHING},
	    {DOORBELL_LOCKING, DOORBELL_ON_POLL, DOORBELL_NOTHING},
	    {DOORBELL_CHECKING, DOORBELL_ON_RING, DOORBELL_FETCH},
	    {DOORBELL_CHECKING, DOORBELL_ON_POLL, DOORBELL_NOTHING},
	    {DOORBELL_UNLOCKING, DOORBELL_ON_RING, DOORBELL_FETCH},
	    {DOORBELL_UNLOCKING, DOORBELL_ON_POLL, DOORBELL_NOTHING},
	    {DOORBELL_DOZING, DOORBELL_ON_POLL, DOORBELL_NOTHING},
	    {DOORBELL_GATHERING, DOORBELL_ON_RING, DOORBELL_NOTHING},
	    {DOORBELL_GATHERING, DOORBELL_ON_POLL, DOORBELL_NOTHING},
	    {DOORBELL_DEAF, DOORBELL_ON_FOUND, DOORBELL_FETCH},
	    {DOORBELL_DEAF, DOORBELL_ON_FEW, DOORBELL_FETCH},
	};
	struct doorbell_transition seen;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		seen = doorbell_transition(cases[i].state, cases[i].event);
		cr_assert_eq(seen.next, cases[i].state);
		cr_assert_eq(seen.action, cases[i].action, "%s on %s",
		    doorbell_state_name(cases[i].state),
		    doorbell_event_name(cases[i].event));
	}
	seen = doorbell_transition(DOORBELL_DOZING, DOORBELL_ON_RING);
	cr_assert_eq(seen.next, DOORBELL_AWAKE);
	cr_assert_eq(seen.action, DOORBELL_FETCH);
}

Test(doorbell_states, sweeps_in_its_sleep_and_when_deaf)
{
	static const struct expectation asleep[] = {
	    {DOORBELL_ON_POLL, {DOORBELL_CHECKING, DOORBELL_FETCH}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_ASLEEP, DOORBELL_NOTHING}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_ASLEEP, DOORBELL_NOTHING}},
	    {DOORBELL_ON_FEW, {DOORBELL_UNLOCKING, DOORBELL_UNLOCK_AND_FETCH}},
	};
	static const struct expectation deaf[] = {
	    {DOORBELL_ON_POLL, {DOORBELL_DEAF, DOORBELL_FETCH}},
	    {DOORBELL_ON_EMPTY, {DOORBELL_DEAF, DOORBELL_NOTHING}},
	};

	follow(DOORBELL_ASLEEP, asleep, N_ELEMENTS(asleep));
	follow(DOORBELL_DEAF, deaf, N_ELEMENTS(deaf));
}

Test(doorbell_states, stays_where_it_is_on_what_cannot_happen)
{
	int n_possible = 0;

	for (int state = 0; state < DOORBELL_N_STATES; state++)
		for (int event = 0; event < DOORBELL_N_EVENTS; event++) {
			struct doorbell_transition seen =
			    doorbell_transition((enum doorbell_state)state,
				(enum doorbell_event)event);

			if (seen.action == DOORBELL_BUG)
				cr_assert_eq((int)seen.next, state);
			else
				n_possible++;
		}
	cr_assert_eq(n_possible, 44);
}

Test(doorbell_states, names_every_state_and_event)
{
	for (int state = 0; state < DOORBELL_N_STATES; state++)
		cr_assert_str_neq(
		    doorbell_state_name((enum doorbell_state)state), "unknown");
	for (int event = 0; event < DOORBELL_N_EVENTS; event++)
		cr_assert_str_neq(
		    doorbell_event_name((enum doorbell_event)event), "unknown");
}
