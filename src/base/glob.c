/*
 * Glob patterns as Redis matches them.
 */
#include "base/glob.h"

#include <string.h>

#include "base/buf.h"

static const char special[] = "*?[]\\";

void
glob_escape(struct buf *pattern, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] != '\0' && strchr(special, text[i]) != NULL)
			buf_add_char(pattern, '\\');
		buf_add_char(pattern, text[i]);
	}
}

size_t
glob_literal_prefix(const char *pattern, size_t length)
{
	size_t n = 0;

	while (n < length &&
	       (pattern[n] == '\0' || strchr(special, pattern[n]) == NULL))
		n++;
	return n;
}
