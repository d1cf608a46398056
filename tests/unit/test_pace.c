/*
 * The pace of scans.
 */
#include "flow/pace.h"

#include <criterion/criterion.h>

#include "base/util.h"

static void
steps(struct pace *pace, int n, int64_t took_us)
{
	for (int i = 0; i < n; i++)
		(void)pace_step(pace, took_us);
}

Test(pace, begins_with_few_keys_and_takes_more)
{
	struct pace pace;

	pace_start(&pace, 50, 500, 1000, 0, 0);
	cr_expect_leq(pace.count, 50);
	cr_expect_eq(pace_step(&pace, 200), 1000);
	steps(&pace, 30, 200);
	cr_expect_eq(pace.count, 500);
}

Test(pace, takes_fewer_keys_where_steps_are_slow)
{
	struct pace pace;

	pace_start(&pace, 50, 500, 1000, 0, 0);
	steps(&pace, 30, 200);
	steps(&pace, 1, 1500);
	cr_expect_eq(pace.count, 500);
	steps(&pace, 1, 200);
	steps(&pace, 2, 1500);
	cr_expect_eq(pace.count, 250);
	steps(&pace, 20, 1500);
	cr_expect_eq(pace.count, 50);
}

/* A server far away is no slow one. */
Test(pace, does_not_mind_a_long_way)
{
	struct pace pace;

	pace_start(&pace, 50, 500, 1000, 0, 0);
	steps(&pace, 30, 30000);
	cr_expect_eq(pace.count, 500);
}

Test(pace, spreads_over_the_time_that_is_wanted)
{
	const int64_t n_keys = 100000;
	struct pace pace;
	int64_t total_us = 0;

	pace_start(&pace, 50, 500, 0, 10 * 1000 * 1000, n_keys);
	for (int64_t n = 0; n < n_keys;) {
		n += pace.count;
		total_us += 300 + pace_step(&pace, 300);
	}
	cr_expect_gt(total_us, 9900000);
	cr_expect_lt(total_us, 10200000);
	pace_start(&pace, 50, 500, 0, 5000, 3);
	cr_expect_eq(pace_step(&pace, 300), 4700);
}

Test(pace, takes_other_settings_on_the_way)
{
	struct pace pace;

	pace_start(&pace, 50, 500, 1000, 0, 0);
	steps(&pace, 30, 200);
	pace_change(&pace, 10, 7000, 0);
	cr_expect_eq(pace.count, 10);
	cr_expect_eq(pace_step(&pace, 200), 7000);
	cr_expect_eq(pace.count, 10);
}

/* Keys that are drained cost more than those that are looked at. */
Test(pace, begins_a_drain_with_fewer)
{
	struct pace pace;

	pace_start(&pace, 10, 100, 1000, 0, 0);
	cr_expect_eq(pace.count, 10);
	steps(&pace, 30, 200);
	cr_expect_eq(pace.count, 100);
	steps(&pace, 20, 1500);
	cr_expect_eq(pace.count, 10);
}

Test(pace, keeps_to_a_count_of_one)
{
	struct pace pace;

	pace_start(&pace, 50, 1, 0, 0, 0);
	steps(&pace, 5, 100);
	cr_expect_eq(pace.count, 1);
}
