/*
 * Digests in hexadecimal, by libmd.  Not for secrets.
 */
#ifndef PGRIPPLE_BASE_DIGEST_H
#define PGRIPPLE_BASE_DIGEST_H

#include <stddef.h>

#define DIGEST_MD5_LENGTH 32
#define DIGEST_SHA1_LENGTH 40

/* Lower case, terminated: the length and one byte more. */
void digest_md5(const char *bytes, size_t n, char *ret_hex);
void digest_sha1(const char *bytes, size_t n, char *ret_hex);

#endif
