/*
 * The states of a connection to Redis: every event in every state.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "redis/connection_states.h"

/* All that changes or does anything; every other event is ignored. */
static const char expected[] = "stopped: start -> connecting, connect\n"
			       "stopped: stop -> closing, release\n"
			       "connecting: stop -> closing, release\n"
			       "connecting: connected -> verifying, verify\n"
			       "connecting: failed -> dropping, release\n"
			       "connecting: timer -> dropping, expire\n"
			       "verifying: stop -> closing, release\n"
			       "verifying: verified -> up, announce\n"
			       "verifying: failed -> dropping, release\n"
			       "verifying: timer -> dropping, expire\n"
			       "up: stop -> closing, release\n"
			       "up: failed -> dropping, release\n"
			       "up: timer -> up, watch\n"
			       "dropping: stop -> closing, none\n"
			       "dropping: released -> waiting, wait\n"
			       "waiting: stop -> closing, release\n"
			       "waiting: timer -> connecting, connect\n"
			       "closing: released -> stopped, report\n";

static void
print(struct buf *buf, enum connection_state state, enum connection_event event)
{
	struct connection_transition to = connection_next(state, event);

	if (to.next == state && to.action == CONNECTION_ACTION_NONE)
		return;
	buf_printf(buf, "%s: %s -> %s, %s\n", connection_state_name(state),
	    connection_event_name(event), connection_state_name(to.next),
	    connection_action_name(to.action));
}

Test(redis_states, every_event_in_every_state)
{
	struct buf buf = BUF_INIT;

	for (int state = 0; state < CONNECTION_N_STATES; state++)
		for (int event = 0; event < CONNECTION_N_EVENTS; event++)
			print(&buf, (enum connection_state)state,
			    (enum connection_event)event);
	cr_expect_str_eq(buf_string(&buf), expected);
	buf_done(&buf);
}

Test(redis_states, a_stop_and_a_release_stop_it_from_anywhere)
{
	for (int i = 0; i < CONNECTION_N_STATES; i++) {
		enum connection_state state = (enum connection_state)i;

		state = connection_next(state, CONNECTION_EVENT_STOP).next;
		cr_expect_eq(state, CONNECTION_CLOSING);
		state = connection_next(state, CONNECTION_EVENT_RELEASED).next;
		cr_expect_eq(state, CONNECTION_STOPPED);
	}
}

/* What holds a context or commands is left only by way of a release. */
Test(redis_states, nothing_is_left_without_a_release)
{
	for (int i = CONNECTION_CONNECTING; i <= CONNECTION_UP; i++)
		for (int event = 0; event < CONNECTION_N_EVENTS; event++) {
			enum connection_state next =
			    connection_next((enum connection_state)i,
				(enum connection_event)event)
				.next;

			cr_expect_neq(next, CONNECTION_STOPPED);
			cr_expect_neq(next, CONNECTION_WAITING);
		}
}
