/*
 * Growing, jittered pauses between attempts.
 */
#include "base/backoff.h"

#include <sys/random.h>

#include "base/clock.h"

void
backoff_init(struct backoff *backoff, int64_t first_ms, int64_t max_ms,
    int64_t stable_ms)
{
	*backoff = (struct backoff){
	    .first_ms = first_ms < max_ms ? first_ms : max_ms,
	    .max_ms = max_ms,
	    .stable_ms = stable_ms,
	    .next_ms = first_ms < max_ms ? first_ms : max_ms,
	};
}

/* From 0 to max. */
static int64_t
random_up_to(int64_t max)
{
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(bits))
		bits = (uint64_t)clock_monotonic_us();
	return (int64_t)(bits % ((uint64_t)max + 1));
}

int64_t
backoff_fail(struct backoff *backoff)
{
	int64_t bound;

	if (backoff->succeeded_us != 0 &&
	    clock_monotonic_us() - backoff->succeeded_us >=
		backoff->stable_ms * 1000)
		backoff->next_ms = backoff->first_ms;
	backoff->succeeded_us = 0;
	bound = backoff->next_ms;
	backoff->next_ms =
	    bound > backoff->max_ms / 2 ? backoff->max_ms : bound * 2;
	return bound - random_up_to(bound / 2);
}

void
backoff_succeed(struct backoff *backoff)
{
	if (backoff->succeeded_us == 0)
		backoff->succeeded_us = clock_monotonic_us();
}
