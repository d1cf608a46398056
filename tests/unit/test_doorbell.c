/*
 * The doorbell at work: what it asks of the daemon while it waits.
 */
#include <criterion/criterion.h>
#include <event2/event.h>

#include "flow/doorbell.h"

static void
on_fetch(void *context, bool is_due)
{
	bool *due = context;

	*due = is_due;
}

/* A fetch that was due when the batch ended would end while nobody waits for
 * one; the timer's comes after it anyway. */
Test(doorbell, puts_a_fetch_that_is_due_off_while_it_waits_for_company)
{
	struct event_base *base = event_base_new();
	struct pgripple_error err;
	struct doorbell *doorbell;
	bool due = false;

	cr_assert_eq(
	    doorbell_new(base, NULL, on_fetch, &due, &doorbell, &err), 0);
	doorbell_step(doorbell, DOORBELL_ON_READY);
	due = false; /* the fetch begins */
	doorbell_step(doorbell, DOORBELL_ON_RING);
	cr_assert(due);
	doorbell_step(doorbell, DOORBELL_ON_FEW);
	cr_assert_not(due);
	event_base_dispatch(base); /* until no timer is left */
	cr_assert(due);
	doorbell_free(doorbell);
	event_base_free(base);
}
