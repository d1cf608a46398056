/*
 * The session's table: every event in every state.
 */
#include <criterion/criterion.h>

#include "postgres/session_states.h"

static struct session_transition
after(enum session_state state, enum session_event event)
{
	return session_transition(state, event);
}

#define expect(state, event, next_, action_)                                   \
	do {                                                                   \
		struct session_transition t_ =                                 \
		    after(SESSION_##state, SESSION_ON_##event);                \
		cr_expect_eq(t_.next, SESSION_##next_, #state " " #event);     \
		cr_expect_eq(t_.action, SESSION_##action_, #state " " #event); \
	} while (0)

Test(postgres_states, go_the_usual_way)
{
	expect(STOPPED, START, WAITING, BEGIN);
	expect(WAITING, TIMER, CONNECTING, CONNECT);
	expect(CONNECTING, CONNECTED, PREPARING, PREPARE);
	expect(PREPARING, PREPARED, IDLE, GO_UP);
	expect(IDLE, SUBMIT, BUSY, SEND);
	expect(BUSY, ANSWER, IDLE, ANSWER);
	expect(IDLE, TIMER, BEATING, BEAT);
	expect(BEATING, SUBMIT, BEATING, HOLD);
	expect(BEATING, ANSWER, IDLE, RESUME);
}

Test(postgres_states, retry_without_a_word_while_never_up)
{
	expect(CONNECTING, LOST, WAITING, RETRY);
	expect(CONNECTING, TIMER, WAITING, RETRY);
	expect(PREPARING, LOST, WAITING, RETRY);
	expect(PREPARING, TIMER, WAITING, RETRY);
}

Test(postgres_states, go_down_from_everywhere_up)
{
	expect(IDLE, LOST, WAITING, GO_DOWN);
	expect(BUSY, LOST, WAITING, GO_DOWN);
	expect(BUSY, TIMER, WAITING, GO_DOWN);
	expect(BEATING, LOST, WAITING, GO_DOWN);
	expect(BEATING, TIMER, WAITING, GO_DOWN);
}

Test(postgres_states, stop_from_everywhere)
{
	for (int state = 0; state < SESSION_N_STATES; state++) {
		struct session_transition t = after(state, SESSION_ON_STOP);

		cr_expect_eq(t.next, SESSION_STOPPED);
		cr_expect_eq(t.action,
		    state == SESSION_STOPPED ? SESSION_NOTHING : SESSION_CLOSE);
	}
}

Test(postgres_states, start_only_once)
{
	for (int state = SESSION_STOPPED + 1; state < SESSION_N_STATES;
	     state++) {
		struct session_transition t = after(state, SESSION_ON_START);

		cr_expect_eq(t.next, (enum session_state)state);
		cr_expect_eq(t.action, SESSION_NOTHING);
	}
}

Test(postgres_states, accept_statements_only_when_up)
{
	expect(STOPPED, SUBMIT, STOPPED, REFUSE);
	expect(WAITING, SUBMIT, WAITING, REFUSE);
	expect(CONNECTING, SUBMIT, CONNECTING, REFUSE);
	expect(PREPARING, SUBMIT, PREPARING, REFUSE);
	expect(BUSY, SUBMIT, BUSY, REFUSE);
}

Test(postgres_states, ignore_a_loss_when_nothing_is_open)
{
	expect(STOPPED, LOST, STOPPED, NOTHING);
	expect(STOPPED, TIMER, STOPPED, NOTHING);
	expect(WAITING, LOST, WAITING, NOTHING);
}

/* What is not said above cannot happen, and stays where it is. */
Test(postgres_states, call_the_rest_bugs)
{
	for (int state = 0; state < SESSION_N_STATES; state++)
		for (int event = 0; event < SESSION_N_EVENTS; event++) {
			struct session_transition t = after(state, event);
			int is_due = (event == SESSION_ON_CONNECTED &&
					 state != SESSION_CONNECTING) ||
				     (event == SESSION_ON_PREPARED &&
					 state != SESSION_PREPARING) ||
				     (event == SESSION_ON_ANSWER &&
					 state != SESSION_BUSY &&
					 state != SESSION_BEATING);

			cr_expect_eq(t.action == SESSION_BUG, is_due,
			    "%s in %s", session_event_name(event),
			    session_state_name(state));
			if (is_due)
				cr_expect_eq(t.next, (enum session_state)state);
		}
}
