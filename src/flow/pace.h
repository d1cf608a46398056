/*
 * The pace of a scan: how many keys a step looks at, and the pause after it; or
 * of a drain: how many keys it removes.
 */
#ifndef PGRIPPLE_FLOW_PACE_H
#define PGRIPPLE_FLOW_PACE_H

#include <stdint.h>

struct pace {
	int64_t min_count; /* that of the first step */
	int64_t max_count;
	int64_t pause_us; /* the least */
	int64_t spread_us; /* that all steps together take, or longer */
	int64_t n_keys; /* in the keyspace; 0 if not known */
	int64_t count; /* of the next step */
	int64_t quickest_us; /* step so far; 0: there was none */
	int64_t n_slow; /* steps in a row */
};

void pace_start(struct pace *pace, int64_t min_count, int64_t max_count,
    int64_t pause_us, int64_t spread_us, int64_t n_keys);

/* Other settings for the steps to come. */
void pace_change(
    struct pace *pace, int64_t max_count, int64_t pause_us, int64_t spread_us);

/* A step of the current count took that long: returns the pause that follows
 * it, and sets the count of the next one. */
int64_t pace_step(struct pace *pace, int64_t took_us);

#endif
