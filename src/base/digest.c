/*
 * Digests in hexadecimal.
 */
#include "base/digest.h"

#include <stdint.h>
#include <sys/types.h>

#include <md5.h>
#include <sha1.h>

_Static_assert(MD5_DIGEST_STRING_LENGTH == DIGEST_MD5_LENGTH + 1, "md5");
_Static_assert(SHA1_DIGEST_STRING_LENGTH == DIGEST_SHA1_LENGTH + 1, "sha1");

void
digest_md5(const char *bytes, size_t n, char *ret_hex)
{
	(void)MD5Data((const uint8_t *)bytes, n, ret_hex);
}

void
digest_sha1(const char *bytes, size_t n, char *ret_hex)
{
	(void)SHA1Data((const uint8_t *)bytes, n, ret_hex);
}
