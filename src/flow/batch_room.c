/*
 * The memory of a batch: what limits.memory_limit leaves of what the process
 * uses for other things, asked when the batch begins.
 *
 * The parts of a batch that can be large come one after the other: the changes,
 * the walk with the answers to its lookups, the plan with what is written down
 * of it.  So each may take what it leads to into account:
 *
 *	changes			1/4	past it, the rest is fetched again
 *	walk			1/2	past it, whole models
 *	answers to lookups	1/6	past it, the whole model
 *	all of it		7/8	past it, whole models
 *
 * The rest is for what is in flight, the next batch among it.  Where nearly
 * nothing is left a batch has an eighth of the limit all the same: caches must
 * not stay stale because somebody set it too low.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/heap.h"
#include "flow/batch_private.h"
#include "observe/log.h"
#include "observe/metrics.h"

#define SETTING "limits.memory_limit"

/* What the allocator keeps of what was freed. */
#define KEPT_BYTES ((size_t)4 << 20)

/* The program and its libraries: the third number of /proc/self/statm. */
static size_t
mapped_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*s %*s %lu", &pages) != 1)
		pages = 0;
	(void)fclose(file); /* it was only read */
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void
tell_shortage(struct batch *batch, size_t used, bool is_short)
{
	if (is_short)
		metrics_add(METRIC_LIMITS, SETTING, NULL, 1);
	if (is_short && !batch->was_short)
		log_event(LOG_LEVEL_WARNING, "memory.short",
		    log_int("used", (int64_t)used),
		    log_string("setting", SETTING),
		    log_int("limit", batch->settings->limits.memory_limit),
		    log_string("hint",
			"Nearly all of it is used by other things than "
			"batches; these are small, and whole models stand for "
			"rows. Raise the limit."));
	batch->was_short = is_short;
}

void
batch_measure_room(struct batch *batch)
{
	size_t limit = (size_t)batch->settings->limits.memory_limit;
	size_t used = heap_used() + mapped_bytes() + KEPT_BYTES;
	size_t least = limit / 8;
	size_t left = used < limit ? limit - used : 0;

	tell_shortage(batch, used, left < least);
	if (left < least)
		left = least;
	batch->room = (struct batch_room){
	    .all = left / 8 * 7,
	    .answers = left / 6,
	    .walk = left / 2,
	    .changes = left / 4,
	};
}

bool
batch_has_enough(const struct batch *batch)
{
	if (pgripple_walk_size(batch->walk) < batch->room.changes)
		return false;
	metrics_add(METRIC_LIMITS, SETTING, NULL, 1);
	return true;
}

int
batch_make_plan(
    struct batch *batch, uint32_t whole_targets, struct pgripple_error *err)
{
	int outcome =
	    pgripple_plan_make(batch->walk, whole_targets, &batch->plan, err);

	if (outcome != PGRIPPLE_PLAN_COARSE)
		return outcome;
	metrics_add(METRIC_LIMITS, SETTING, NULL, 1);
	log_event(LOG_LEVEL_WARNING, "batch.coarse",
	    log_int("rows", (int64_t)pgripple_walk_n_touches(batch->walk)),
	    log_string("setting", SETTING),
	    log_int("limit", batch->settings->limits.memory_limit),
	    log_string("hint",
		"What these rows lead to takes more memory than there is: "
		"whole models are invalidated instead."));
	return 0;
}
