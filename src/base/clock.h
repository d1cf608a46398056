/*
 * Time.  Deadlines are judged by the monotonic clock; the wall clock is for
 * log lines and for comparison with Postgres's timestamps.
 */
#ifndef PGRIPPLE_BASE_CLOCK_H
#define PGRIPPLE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_monotonic_us(void);
int64_t clock_wall_us(void); /* since 1970-01-01 UTC */

/* "2026-01-02T03:04:05.123456Z"; the buffer holds at least CLOCK_TEXT. */
#define CLOCK_TEXT 32
void clock_print(int64_t wall_us, char *buffer, size_t size);

#endif
