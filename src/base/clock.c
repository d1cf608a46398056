/*
 * Time.
 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t
now_us(clockid_t clock)
{
	struct timespec now;

	/* Cannot fail for the clocks that every Linux has. */
	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_monotonic_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

int64_t
clock_wall_us(void)
{
	return now_us(CLOCK_REALTIME);
}

void
clock_print(int64_t wall_us, char *buffer, size_t size)
{
	int64_t us = wall_us % 1000000;
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm utc = {0};
	char day[CLOCK_TEXT];

	if (us < 0) {
		us += 1000000;
		seconds--;
	}
	(void)gmtime_r(&seconds, &utc);
	if (strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		day[0] = '\0';
	(void)snprintf(buffer, size, "%s.%06dZ", day, (int)us);
}
