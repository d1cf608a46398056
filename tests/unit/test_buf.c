/*
 * Growing buffers.
 */
#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(buf, is_an_empty_string_at_first)
{
	struct buf buf = BUF_INIT;

	cr_assert_str_eq(buf_string(&buf), "");
	buf_done(&buf);
}

Test(buf, holds_what_was_added)
{
	struct buf buf = BUF_INIT;

	buf_add_string(&buf, "key");
	buf_add_char(&buf, ':');
	buf_add(&buf, "7\0x", 3);
	buf_add(&buf, NULL, 0);
	cr_assert_eq(buf.n, 7);
	cr_assert_arr_eq(buf.bytes, "key:7\0x", 8);
	buf_done(&buf);
	cr_assert_null(buf.bytes);
}

Test(buf, grows)
{
	struct buf buf = BUF_INIT;

	for (int i = 0; i < 100000; i++)
		buf_add(&buf, "0123456789", 10);
	cr_assert_eq(buf.n, 1000000);
	cr_assert_eq(strlen(buf_string(&buf)), 1000000);
	buf_done(&buf);
}

Test(buf, prints_whatever_fits_exactly_or_not)
{
	for (int width = 120; width < 140; width++) {
		struct buf buf = BUF_INIT;

		buf_printf(&buf, "%*d", width, 7);
		buf_printf(&buf, "%s", "");
		buf_printf(&buf, "!");
		cr_assert_eq(buf.n, (size_t)width + 1);
		cr_assert_eq(buf.bytes[width - 1], '7');
		cr_assert_str_eq(buf.bytes + width, "!");
		buf_done(&buf);
	}
}

Test(buf, keeps_its_memory_when_reset)
{
	struct buf buf = BUF_INIT;
	char *bytes;

	buf_reset(&buf);
	buf_add_string(&buf, "old");
	bytes = buf.bytes;
	buf_reset(&buf);
	cr_assert_str_eq(buf_string(&buf), "");
	buf_add_string(&buf, "new");
	cr_assert_eq(buf.bytes, bytes);
	buf_done(&buf);
}

Test(buf, remembers_a_failure)
{
	struct buf buf = BUF_INIT;

	buf_add_string(&buf, "kept");
	buf_add(&buf, "", SIZE_MAX - 10);
	cr_assert(buf.failed);
	buf_add_string(&buf, " lost");
	cr_assert_str_eq(buf_string(&buf), "kept");
	buf_reset(&buf);
	cr_assert_not(buf.failed);
	buf_done(&buf);
}
