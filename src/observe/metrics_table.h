/*
 * The table of metrics.  Private to observe/metrics*.c.
 */
#ifndef PGRIPPLE_OBSERVE_METRICS_TABLE_H
#define PGRIPPLE_OBSERVE_METRICS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "observe/metrics.h"

#define METRICS_MAX_LABELS 2

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM, /* of times */
};

const char *metric_type_name(enum metric_type type);

struct metric_row {
	const char *name;
	enum metric_type type;
	bool is_time; /* kept in microseconds, printed as seconds */
	const char *labels[METRICS_MAX_LABELS];
	const char *help;
};

extern const struct metric_row metrics_table[METRICS];

#endif
