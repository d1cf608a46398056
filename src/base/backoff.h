/*
 * Growing, jittered pauses between attempts.  It starts over only after a
 * time of stability, so that a flapping peer is not hammered.
 */
#ifndef PGRIPPLE_BASE_BACKOFF_H
#define PGRIPPLE_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
	int64_t first_ms;
	int64_t max_ms;
	int64_t stable_ms; /* success must have lasted this long to count */
	int64_t next_ms;
	int64_t succeeded_us; /* monotonic; 0: not since the last failure */
};

void backoff_init(struct backoff *backoff, int64_t first_ms, int64_t max_ms,
    int64_t stable_ms);
/* Milliseconds to wait before the next attempt: between half and all of a
 * bound that doubles with every failure. */
int64_t backoff_fail(struct backoff *backoff);
void backoff_succeed(struct backoff *backoff);

#endif
