/*
 * A growing buffer of bytes.
 */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAPACITY ((size_t)128)

void
buf_done(struct buf *buf)
{
	free(buf->bytes);
	*buf = BUF_INIT;
}

void
buf_reset(struct buf *buf)
{
	buf->n = 0;
	buf->failed = false;
	if (buf->bytes != NULL)
		buf->bytes[0] = '\0';
}

/* Makes room for n more bytes and a NUL. */
static bool
reserve(struct buf *buf, size_t n)
{
	size_t capacity = buf->capacity == 0 ? FIRST_CAPACITY : buf->capacity;
	char *bytes;

	if (buf->failed)
		return false;
	if (n < buf->capacity - buf->n)
		return true;
	if (n > SIZE_MAX / 4 || buf->n > SIZE_MAX / 4) {
		buf->failed = true;
		return false;
	}
	while (capacity <= buf->n + n)
		capacity *= 2;
	bytes = realloc(buf->bytes, capacity);
	if (bytes == NULL) {
		buf->failed = true;
		return false;
	}
	buf->bytes = bytes;
	buf->capacity = capacity;
	return true;
}

void
buf_add(struct buf *buf, const char *bytes, size_t n)
{
	if (!reserve(buf, n))
		return;
	if (n > 0)
		memcpy(buf->bytes + buf->n, bytes, n);
	buf->n += n;
	buf->bytes[buf->n] = '\0';
}

void
buf_add_string(struct buf *buf, const char *string)
{
	buf_add(buf, string, strlen(string));
}

void
buf_add_char(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void
buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	if (n < 0)
		buf->failed = true;
	else if (reserve(buf, (size_t)n)) {
		(void)vsnprintf(
		    buf->bytes + buf->n, (size_t)n + 1, format, again);
		buf->n += (size_t)n;
	}
	va_end(again);
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(buf, format, args);
	va_end(args);
}

const char *
buf_string(const struct buf *buf)
{
	return buf->bytes == NULL ? "" : buf->bytes;
}
