/*
 * UTF-8.
 */
#include "base/utf8.h"

#include <criterion/criterion.h>
#include <string.h>

static bool
is_valid(const char *text)
{
	/* At every offset from a word's beginning, and with a long tail. */
	for (size_t before = 0; before < 9; before++) {
		char bytes[64];
		size_t n = strlen(text);

		memset(bytes, 'a', sizeof(bytes));
		memcpy(bytes + before, text, n);
		if (!utf8_is_valid(bytes, before + n) ||
		    !utf8_is_valid(bytes, sizeof(bytes)))
			return false;
	}
	return true;
}

Test(utf8, accepts_characters_of_every_length)
{
	cr_assert(utf8_is_valid("", 0));
	cr_assert(is_valid("plain"));
	cr_assert(is_valid("\x7f\xc2\x80\xdf\xbf"));
	cr_assert(is_valid("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
	cr_assert(is_valid("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
}

Test(utf8, refuses_overlong_forms)
{
	cr_assert_not(is_valid("\xc0\x80"));
	cr_assert_not(is_valid("\xc1\xbf"));
	cr_assert_not(is_valid("\xe0\x9f\xbf"));
	cr_assert_not(is_valid("\xf0\x8f\xbf\xbf"));
}

Test(utf8, refuses_surrogates_and_what_is_past_the_end)
{
	cr_assert_not(is_valid("\xed\xa0\x80"));
	cr_assert_not(is_valid("\xed\xbf\xbf"));
	cr_assert_not(is_valid("\xf4\x90\x80\x80"));
	cr_assert_not(is_valid("\xf5\x80\x80\x80"));
	cr_assert_not(is_valid("\xff"));
}

Test(utf8, refuses_pieces)
{
	cr_assert_not(is_valid("\x80"));
	cr_assert_not(is_valid("\xc3"));
	cr_assert_not(is_valid("\xe2\x82"));
	cr_assert_not(is_valid("\xf0\x9f\x98"));
	cr_assert_eq(utf8_length("\xf0\x9f\x98\x80", 3), 0);
	cr_assert_eq(utf8_length("\xf0\x9f\x98\x80", 4), 4);
	cr_assert_eq(utf8_length("", 0), 0);
}

Test(utf8, cuts_between_characters)
{
	cr_assert_eq(utf8_cut("abc", 3, 5), 3);
	cr_assert_eq(utf8_cut("abc", 3, 2), 2);
	cr_assert_eq(utf8_cut("ab\xc3\xa9", 4, 3), 2);
	cr_assert_eq(utf8_cut("ab\xc3\xa9z", 5, 4), 4);
	cr_assert_eq(utf8_cut("\xf0\x9f\x98\x80z", 5, 3), 0);
	cr_assert_eq(utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
	cr_assert_eq(utf8_cut("abc", 3, 0), 0);
}
