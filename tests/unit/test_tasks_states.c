/*
 * The task runner's table: the way through, and every event in every state.
 */
#include <criterion/criterion.h>

#include "base/util.h"
#include "flow/tasks_states.h"

struct expectation {
	enum tasks_event event;
	struct tasks_transition transition;
};

static void
follow(const struct expectation *steps, size_t n_steps)
{
	enum tasks_state state = TASKS_IDLE;

	for (size_t i = 0; i < n_steps; i++) {
		struct tasks_transition seen =
		    tasks_transition(state, steps[i].event);

		cr_assert_eq(seen.next, steps[i].transition.next,
		    "%s on %s leads to %s", tasks_state_name(state),
		    tasks_event_name(steps[i].event),
		    tasks_state_name(seen.next));
		cr_assert_eq(seen.action, steps[i].transition.action);
		state = seen.next;
	}
}

Test(tasks_states, does_a_task_slice_by_slice_and_asks_again)
{
	static const struct expectation steps[] = {
	    {TASKS_ON_WAKE, {TASKS_WANTING, TASKS_REQUEST_TURN}},
	    {TASKS_ON_TURN, {TASKS_ASKING, TASKS_ASK}},
	    {TASKS_ON_TASK, {TASKS_SCANNING, TASKS_BEGIN}},
	    {TASKS_ON_SLICE, {TASKS_PAUSING, TASKS_PAUSE}},
	    {TASKS_ON_TIMER, {TASKS_SCANNING, TASKS_SCAN}},
	    {TASKS_ON_LAST_SLICE, {TASKS_ENDING, TASKS_REQUEST_TURN}},
	    {TASKS_ON_TURN, {TASKS_MARKING, TASKS_MARK}},
	    {TASKS_ON_MARKED, {TASKS_REMOVING, TASKS_REMOVE}},
	    {TASKS_ON_REMOVED, {TASKS_WANTING, TASKS_REQUEST_TURN}},
	    {TASKS_ON_TURN, {TASKS_ASKING, TASKS_ASK}},
	    {TASKS_ON_NONE, {TASKS_IDLE, TASKS_REST}},
	    {TASKS_ON_TIMER, {TASKS_WANTING, TASKS_REQUEST_TURN}},
	};

	follow(steps, N_ELEMENTS(steps));
}

Test(tasks_states, removes_only_what_has_its_mark_and_came_to_its_end)
{
	for (int state = 0; state < TASKS_N_STATES; state++)
		for (int event = 0; event < TASKS_N_EVENTS; event++) {
			struct tasks_transition seen = tasks_transition(
			    (enum tasks_state)state, (enum tasks_event)event);

			if (seen.next == TASKS_ENDING && state != TASKS_ENDING)
				cr_assert(event == TASKS_ON_LAST_SLICE ||
					  event == TASKS_ON_MALFORMED);
			if (seen.next == TASKS_MARKING)
				cr_assert(state == TASKS_ENDING ||
					  state == TASKS_MARKING);
			if (seen.action == TASKS_REMOVE)
				cr_assert_eq(event, TASKS_ON_MARKED);
		}
}

Test(tasks_states, repeats_a_slice_that_failed_after_a_long_pause)
{
	struct tasks_transition seen =
	    tasks_transition(TASKS_SCANNING, TASKS_ON_SLICE_FAILED);

	cr_assert_eq(seen.next, TASKS_PAUSING);
	cr_assert_eq(seen.action, TASKS_PAUSE_LONG);
}

Test(tasks_states, does_a_task_again_that_has_no_mark)
{
	static const enum tasks_state states[] = {
	    TASKS_MARKING, TASKS_REMOVING};

	for (size_t i = 0; i < N_ELEMENTS(states); i++) {
		struct tasks_transition seen =
		    tasks_transition(states[i], TASKS_ON_UNMARKED);

		cr_assert_eq(seen.next, TASKS_IDLE);
		cr_assert_eq(seen.action, TASKS_PAUSE_LONG);
	}
}

Test(tasks_states, leaves_a_task_whose_target_is_postponed_for_another)
{
	struct tasks_transition seen =
	    tasks_transition(TASKS_SCANNING, TASKS_ON_POSTPONED);

	cr_assert_eq(seen.next, TASKS_WANTING);
	cr_assert_eq(seen.action, TASKS_REQUEST_TURN);
}

Test(tasks_states, ends_a_task_that_it_cannot_read)
{
	struct tasks_transition seen =
	    tasks_transition(TASKS_ASKING, TASKS_ON_MALFORMED);

	cr_assert_eq(seen.next, TASKS_ENDING);
	cr_assert_eq(seen.action, TASKS_REQUEST_TURN);
}

Test(tasks_states, takes_a_wake_in_every_state)
{
	for (int state = 0; state < TASKS_N_STATES; state++) {
		struct tasks_transition seen =
		    tasks_transition((enum tasks_state)state, TASKS_ON_WAKE);
		bool is_idle = state == TASKS_IDLE;

		cr_assert_eq((int)seen.next, is_idle ? TASKS_WANTING : state);
		cr_assert_eq(
		    seen.action, is_idle ? TASKS_REQUEST_TURN : TASKS_NOTHING);
	}
}

Test(tasks_states, waits_for_the_next_wake_when_a_statement_failed)
{
	static const enum tasks_state states[] = {TASKS_ASKING, TASKS_REMOVING};

	for (size_t i = 0; i < N_ELEMENTS(states); i++) {
		struct tasks_transition seen =
		    tasks_transition(states[i], TASKS_ON_STATEMENT_FAILED);

		cr_assert_eq(seen.next, TASKS_IDLE);
		cr_assert_eq(seen.action, TASKS_NOTHING);
	}
}

Test(tasks_states, stays_where_it_is_on_what_cannot_happen)
{
	int n_possible = 0;

	for (int state = 0; state < TASKS_N_STATES; state++)
		for (int event = 0; event < TASKS_N_EVENTS; event++) {
			struct tasks_transition seen = tasks_transition(
			    (enum tasks_state)state, (enum tasks_event)event);

			if (seen.action == TASKS_BUG)
				cr_assert_eq(
				    (int)seen.next, state, "leaves its state");
			else
				n_possible++;
		}
	cr_assert_eq(n_possible, 25);
}

Test(tasks_states, names_every_state_and_event)
{
	for (int state = 0; state < TASKS_N_STATES; state++)
		cr_assert_str_neq(
		    tasks_state_name((enum tasks_state)state), "unknown");
	for (int event = 0; event < TASKS_N_EVENTS; event++)
		cr_assert_str_neq(
		    tasks_event_name((enum tasks_event)event), "unknown");
}
