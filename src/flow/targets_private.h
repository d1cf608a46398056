/*
 * The inside of the targets, shared by targets.c (the set) and target.c (each).
 */
#ifndef PGRIPPLE_FLOW_TARGETS_PRIVATE_H
#define PGRIPPLE_FLOW_TARGETS_PRIVATE_H

#include "flow/targets.h"

struct event;

struct target {
	struct targets *all;
	char *name;
	struct redis_connection *redis;
	struct replay *replay;
	enum target_state state;
	struct event *timer; /* patience, or the next attempt */
	int64_t due_us; /* monotonic: when the timer is meant to come */
	int64_t failed_us; /* monotonic, since when; 0: it does not */
	int64_t up_us;
	bool is_told; /* that it was postponed */
};

struct targets {
	const struct settings *settings;
	struct targets_listener listener;
	uint64_t owner_number;
	char owner[20]; /* of the claim: targets_rename() */
	uint64_t n_names; /* given to batches */
	struct state_claim claim;
	const char **names;
	struct target *items;
	size_t n;
};

/* In a place that is zeroed and knows "all".  -1 (NOMEM, CONFIG): it is half
 * built, and waits for target_done(). */
int target_init(struct event_base *base, struct target *target,
    const struct settings_target *spec, struct pgripple_error *err) MUST_CHECK;
void target_done(struct target *target);
/* Begins to connect, and to lose patience. */
void target_start(struct target *target);

/* What came of operations that were applied to it. */
void target_note(struct target *target, enum redis_apply_outcome outcome);

#endif
