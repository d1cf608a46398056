/*
 * Numbers with a unit, as people write them: 250ms, 5s, 2m, 1h; 500, 64kB, 1MB.
 */
#ifndef PGRIPPLE_BASE_UNIT_H
#define PGRIPPLE_BASE_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct buf;

/* A whole number and one of ms, s, m, h.  False if it is anything else, or
 * does not fit. */
bool unit_parse_duration(const char *text, int64_t *ret_ms) MUST_CHECK;
/* A whole number of bytes, alone or with B, kB, MB or GB (of 1,024). */
bool unit_parse_size(const char *text, int64_t *ret_bytes) MUST_CHECK;
/* Digits alone. */
bool unit_parse_count(const char *text, int64_t *ret_count) MUST_CHECK;

/* In the largest unit that divides it. */
void unit_print_duration(struct buf *buf, int64_t ms);
void unit_print_size(struct buf *buf, int64_t bytes);

#endif
