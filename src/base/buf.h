/*
 * A growing buffer of bytes.  It remembers that memory ran out, so that a
 * writer checks once, at the end.
 */
#ifndef PGRIPPLE_BASE_BUF_H
#define PGRIPPLE_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct buf {
	char *bytes; /* terminated, once anything was added; may be NULL */
	size_t n;
	size_t capacity;
	bool failed; /* out of memory: the content is not complete */
};

#define BUF_INIT ((struct buf){0})

void buf_done(struct buf *buf);
/* Empties it and keeps its memory. */
void buf_reset(struct buf *buf);
void buf_add(struct buf *buf, const char *bytes, size_t n);
void buf_add_string(struct buf *buf, const char *string);
void buf_add_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *buf, const char *format, va_list args)
    PRINTF_LIKE(2, 0);
/* The text so far; "" if nothing was added. */
const char *buf_string(const struct buf *buf);

#endif
