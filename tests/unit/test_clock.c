/*
 * Time.
 */
#include "base/clock.h"

#include <criterion/criterion.h>
#include <time.h>

static void
expect(int64_t wall_us, const char *text)
{
	char buffer[CLOCK_TEXT];

	clock_print(wall_us, buffer, sizeof(buffer));
	cr_assert_str_eq(buffer, text);
}

Test(clock, prints_the_epoch)
{
	expect(0, "1970-01-01T00:00:00.000000Z");
}

Test(clock, prints_a_time_with_microseconds)
{
	expect(1767323045123456, "2026-01-02T03:04:05.123456Z");
}

Test(clock, prints_times_before_the_epoch)
{
	expect(-1, "1969-12-31T23:59:59.999999Z");
}

Test(clock, cuts_where_the_buffer_ends)
{
	char buffer[11];

	clock_print(0, buffer, sizeof(buffer));
	cr_assert_str_eq(buffer, "1970-01-01");
}

Test(clock, agrees_with_the_system)
{
	int64_t off = clock_wall_us() / 1000000 - time(NULL);

	cr_assert(off >= -1 && off <= 1);
}

Test(clock, never_goes_back)
{
	int64_t last = clock_monotonic_us();

	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_monotonic_us();

		cr_assert_geq(now, last);
		last = now;
	}
}
