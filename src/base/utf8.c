/*
 * UTF-8.
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool
is_continuation(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* The second byte carries every restriction: overlong forms, surrogates and
 * the end of the code space. */
static bool
is_second(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return is_continuation(second);
	}
}

size_t
utf8_length(const char *bytes, size_t n)
{
	const unsigned char *at = (const unsigned char *)bytes;
	size_t length;

	if (n == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (n < length || !is_second(at[0], at[1]))
		return 0;
	for (size_t i = 2; i < length; i++)
		if (!is_continuation(at[i]))
			return 0;
	return length;
}

bool
utf8_is_valid(const char *bytes, size_t n)
{
	size_t i = 0;

	while (i < n) {
		uint64_t eight;
		size_t length;

		if (n - i >= sizeof(eight)) {
			memcpy(&eight, bytes + i, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				i += sizeof(eight);
				continue;
			}
		}
		length = utf8_length(bytes + i, n - i);
		if (length == 0)
			return false;
		i += length;
	}
	return true;
}

size_t
utf8_cut(const char *bytes, size_t n, size_t max)
{
	size_t end = max;

	if (n <= max)
		return n;
	/* At most three bytes back: what is no UTF-8 is cut anywhere. */
	while (end > 0 && max - end < 3 &&
	       is_continuation((unsigned char)bytes[end]))
		end--;
	return is_continuation((unsigned char)bytes[end]) ? max : end;
}
