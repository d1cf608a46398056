#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/unit.h"

Test(unit, reads_durations)
{
	int64_t ms = -1;

	cr_assert(unit_parse_duration("250ms", &ms));
	cr_assert_eq(ms, 250);
	cr_assert(unit_parse_duration("2m", &ms));
	cr_assert_eq(ms, 120000);
	cr_assert(unit_parse_duration("0s", &ms));
	cr_assert_eq(ms, 0);
	cr_assert(unit_parse_duration("1h", &ms));
	cr_assert_eq(ms, 3600000);
}

Test(unit, reads_sizes)
{
	int64_t bytes = -1;

	cr_assert(unit_parse_size("64kB", &bytes));
	cr_assert_eq(bytes, 65536);
	cr_assert(unit_parse_size("1MB", &bytes));
	cr_assert_eq(bytes, 1048576);
	cr_assert(unit_parse_size("7", &bytes));
	cr_assert_eq(bytes, 7);
}

Test(unit, refuses_what_is_none)
{
	static const char *const bad[] = {"", "s", "5", "-1s", "+1s", " 1s",
	    "1s ", "1 s", "1.5s", "1S", "1sec", "99999999999999999999s",
	    "9223372036854775807h"};
	int64_t value = 42;

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		cr_assert_not(
		    unit_parse_duration(bad[i], &value), "%s", bad[i]);
	cr_assert_not(unit_parse_size("1mb", &value));
	cr_assert_not(unit_parse_count("1k", &value));
	cr_assert_not(unit_parse_count("9223372036854775808", &value));
	cr_assert_eq(value, 42);
}

Test(unit, prints_in_the_largest_unit)
{
	CLEANUP(buf_done) struct buf buf = BUF_INIT;

	unit_print_duration(&buf, 90000);
	buf_add_char(&buf, ' ');
	unit_print_duration(&buf, 120000);
	buf_add_char(&buf, ' ');
	unit_print_duration(&buf, 0);
	buf_add_char(&buf, ' ');
	unit_print_size(&buf, 1 << 20);
	buf_add_char(&buf, ' ');
	unit_print_size(&buf, 1025);
	cr_assert_str_eq(buf_string(&buf), "90s 2m 0ms 1MB 1025B");
}
