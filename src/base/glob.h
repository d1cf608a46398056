/*
 * Glob patterns as Redis matches them: * ? [ ] and a backslash.
 */
#ifndef PGRIPPLE_BASE_GLOB_H
#define PGRIPPLE_BASE_GLOB_H

#include <stddef.h>

struct buf;

/* Appends text so that it matches itself alone. */
void glob_escape(struct buf *pattern, const char *text, size_t length);

/* The length of the pattern's beginning that has no glob character. */
size_t glob_literal_prefix(const char *pattern, size_t length);

#endif
