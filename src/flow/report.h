/*
 * The lines that tell of changes: one for each, until there are too many in a
 * second; then their sum.
 */
#ifndef PGRIPPLE_FLOW_REPORT_H
#define PGRIPPLE_FLOW_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pgripple/walk.h>

#include "base/util.h"

struct event_base;
struct report;

int report_new(struct event_base *base, struct report **ret_report,
    struct pgripple_error *err) MUST_CHECK;
/* Writes what is still to be summed up. */
void report_free(struct report *report);

/* Lines a second; above it, a summary.  Changes that are only observed are
 * told as such. */
void report_configure(
    struct report *report, int64_t changes_per_second, bool observes);

/* How changes were applied. */
struct report_applied {
	int64_t wall_us; /* when Redis had answered */
	const char *postponed; /* JSON: targets for which tasks were left */
};

/* Tells of an applied change, the one of that number in the walk, which is
 * done. */
void report_change(struct report *report, struct pgripple_walk *walk,
    size_t number, const struct pgripple_change *change,
    const struct report_applied *applied);

#endif
