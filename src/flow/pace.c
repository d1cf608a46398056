/*
 * The pace of a scan, and of a drain.
 *
 * Redis does nothing else while it does a step, so a step must be short.  How
 * long it keeps Redis cannot be seen from here, only how long its answer takes:
 * the way there and back, and the step.  The quickest answer so far is taken
 * for the way; the first steps look at few keys, so that it soon is.  One slow
 * answer may be anything, a busy machine first of all; two in a row count.
 */
#include "flow/pace.h"

/* That a step may take longer than the quickest one. */
#define STEP_US 700

void
pace_start(struct pace *pace, int64_t min_count, int64_t max_count,
    int64_t pause_us, int64_t spread_us, int64_t n_keys)
{
	*pace = (struct pace){
	    .min_count = min_count,
	    .max_count = max_count,
	    .pause_us = pause_us,
	    .spread_us = spread_us,
	    .n_keys = n_keys,
	    .count = max_count < min_count ? max_count : min_count,
	};
}

void
pace_change(
    struct pace *pace, int64_t max_count, int64_t pause_us, int64_t spread_us)
{
	pace->max_count = max_count;
	pace->pause_us = pause_us;
	pace->spread_us = spread_us;
	if (pace->count > max_count)
		pace->count = max_count;
}

/* Its share of the time that the whole is to take. */
static int64_t
share_us(const struct pace *pace)
{
	if (pace->spread_us == 0 || pace->n_keys == 0)
		return 0;
	if (pace->count >= pace->n_keys)
		return pace->spread_us;
	return (int64_t)((double)pace->spread_us * (double)pace->count /
			 (double)pace->n_keys);
}

static void
adapt(struct pace *pace, int64_t took_us)
{
	int64_t over_us = took_us - pace->quickest_us;

	pace->n_slow = over_us > STEP_US ? pace->n_slow + 1 : 0;
	if (pace->n_slow > 1)
		pace->count /= 2;
	else if (over_us < STEP_US / 2)
		pace->count += pace->count / 4 + 1;
	if (pace->count < pace->min_count)
		pace->count = pace->min_count;
	if (pace->count > pace->max_count)
		pace->count = pace->max_count;
}

int64_t
pace_step(struct pace *pace, int64_t took_us)
{
	int64_t left_us = share_us(pace) - took_us;

	if (pace->quickest_us == 0 || took_us < pace->quickest_us)
		pace->quickest_us = took_us;
	adapt(pace, took_us);
	return left_us > pace->pause_us ? left_us : pace->pause_us;
}
