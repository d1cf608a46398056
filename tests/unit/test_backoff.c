/*
 * Pauses between attempts.
 */
#include "base/backoff.h"

#include <criterion/criterion.h>

#include "base/clock.h"

static void
expect_between(int64_t pause_ms, int64_t from_ms, int64_t to_ms)
{
	cr_assert(pause_ms >= from_ms && pause_ms <= to_ms,
	    "%lld ms is not between %lld and %lld", (long long)pause_ms,
	    (long long)from_ms, (long long)to_ms);
}

Test(backoff, doubles_up_to_its_bound)
{
	struct backoff backoff;

	backoff_init(&backoff, 100, 1000, 5000);
	expect_between(backoff_fail(&backoff), 50, 100);
	expect_between(backoff_fail(&backoff), 100, 200);
	expect_between(backoff_fail(&backoff), 200, 400);
	expect_between(backoff_fail(&backoff), 400, 800);
	for (int i = 0; i < 100; i++)
		expect_between(backoff_fail(&backoff), 500, 1000);
}

Test(backoff, spreads_its_pauses)
{
	struct backoff backoff;
	int64_t low = INT64_MAX, high = 0;

	backoff_init(&backoff, 1000, 1000, 5000);
	for (int i = 0; i < 1000; i++) {
		int64_t pause_ms = backoff_fail(&backoff);

		low = pause_ms < low ? pause_ms : low;
		high = pause_ms > high ? pause_ms : high;
	}
	cr_assert_lt(low, 550);
	cr_assert_gt(high, 950);
}

Test(backoff, starts_over_after_a_stable_time)
{
	struct backoff backoff;

	backoff_init(&backoff, 100, 1000, 5000);
	for (int i = 0; i < 10; i++)
		(void)backoff_fail(&backoff);
	backoff_succeed(&backoff);
	backoff.succeeded_us = clock_monotonic_us() - 5000 * 1000;
	expect_between(backoff_fail(&backoff), 50, 100);
}

Test(backoff, goes_on_growing_when_success_was_short)
{
	struct backoff backoff;

	backoff_init(&backoff, 100, 1000, 5000);
	for (int i = 0; i < 10; i++) {
		(void)backoff_fail(&backoff);
		backoff_succeed(&backoff);
	}
	expect_between(backoff_fail(&backoff), 500, 1000);
}

Test(backoff, counts_from_the_first_success)
{
	struct backoff backoff;

	backoff_init(&backoff, 100, 1000, 5000);
	backoff_succeed(&backoff);
	backoff.succeeded_us = 42;
	backoff_succeed(&backoff);
	cr_assert_eq(backoff.succeeded_us, 42);
}

Test(backoff, never_waits_longer_than_its_bound)
{
	struct backoff backoff;

	backoff_init(&backoff, 500, 200, 0);
	expect_between(backoff_fail(&backoff), 100, 200);
}
