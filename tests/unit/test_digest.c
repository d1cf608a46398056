/*
 * Digests, against the test vectors of RFC 1321 and RFC 3174.
 */
#include "base/digest.h"

#include <criterion/criterion.h>

Test(digest, are_those_of_the_standards)
{
	char hex[DIGEST_SHA1_LENGTH + 1];

	digest_md5("", 0, hex);
	cr_expect_str_eq(hex, "d41d8cd98f00b204e9800998ecf8427e");
	digest_md5("abc", 3, hex);
	cr_expect_str_eq(hex, "900150983cd24fb0d6963f7d28e17f72");
	digest_sha1("abc", 3, hex);
	cr_expect_str_eq(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

Test(digest, count_every_byte)
{
	char with[DIGEST_MD5_LENGTH + 1], without[DIGEST_MD5_LENGTH + 1];

	digest_md5("a\0b", 3, with);
	digest_md5("a\0c", 3, without);
	cr_expect_str_neq(with, without);
}
