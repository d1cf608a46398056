/*
 * UTF-8, strictly: no overlong forms, no surrogates, nothing past U+10FFFF
 * (RFC 3629, section 4).
 */
#ifndef PGRIPPLE_BASE_UTF8_H
#define PGRIPPLE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that starts here, 1 to 4; 0 if there is none. */
size_t utf8_length(const char *bytes, size_t n);
bool utf8_is_valid(const char *bytes, size_t n);
/* The longest start of the bytes, of at most max bytes, that does not cut a
 * character in two. */
size_t utf8_cut(const char *bytes, size_t n, size_t max);

#endif
