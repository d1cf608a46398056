/*
 * An arena: memory that is given out piece by piece and taken back at once.
 * A batch and a graph each have one.
 */
#ifndef PGRIPPLE_BASE_ARENA_H
#define PGRIPPLE_BASE_ARENA_H

#include <stddef.h>

#include "base/util.h"

struct arena;

/* NULL when out of memory. */
struct arena *arena_new(void);
void arena_free(struct arena *arena);

/* Zeroed and aligned for any type; NULL when out of memory.  A size of 0 gives
 * a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);
/* n * size, with a check for overflow. */
void *arena_array(struct arena *arena, size_t n, size_t size);
/* Copies n bytes and adds a NUL. */
char *arena_copy(struct arena *arena, const char *bytes, size_t n);
char *arena_strdup(struct arena *arena, const char *string);
char *arena_printf(struct arena *arena, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* Bytes taken from the system so far. */
size_t arena_size(const struct arena *arena);

#endif
