/*
 * Metrics: one table in metrics_table.c has every one with its type, labels
 * and help; all that is printed, the reference in docs/metrics.md too, comes
 * from it.
 *
 * Labels hold names of the two configuration files and words of ours, never a
 * value of a row.  A metric that could not be kept for lack of memory is not
 * counted, and nobody is told: metrics never fail their caller.
 */
#ifndef PGRIPPLE_OBSERVE_METRICS_H
#define PGRIPPLE_OBSERVE_METRICS_H

#include <stdint.h>

struct buf;

enum metric {
	METRIC_INFO,
	METRIC_STATE,
	METRIC_OLDEST_AGE,
	METRIC_BACKLOG,
	METRIC_BACKLOG_LOOKED_AT,
	METRIC_TASKS_WAITING,
	METRIC_REJECTED_KEPT,
	METRIC_CHANGES,
	METRIC_CHANGED_ROWS,
	METRIC_TOUCHED_ROWS,
	METRIC_RELATION_ROWS,
	METRIC_OPERATIONS,
	METRIC_POSTPONED,
	METRIC_LATENCY,
	METRIC_STAGE,
	METRIC_BATCHES,
	METRIC_LOOKUPS,
	METRIC_ESCALATIONS,
	METRIC_LIMITS,
	METRIC_REJECTED,
	METRIC_TASKS,
	METRIC_DOORBELL,
	METRIC_CAPTURE_GAPS,
	METRIC_GRAPH_PROBLEMS,
	METRIC_CANARY,
	METRIC_CANARY_AT,
	METRIC_PEER_UP,
	METRIC_PEER_CONNECTS,
	METRIC_PEER_LOSSES,
	METRIC_WENT_BACK,
	METRIC_REDIS_WENT_BACK,
	METRIC_TARGET_POSTPONED,
	METRIC_RELOADS,
	METRIC_LOG_LINES,
	METRIC_LOG_DROPPED,
	METRIC_HTTP_REQUESTS,
	METRIC_HTTP_CONNECTIONS,
	METRIC_CPU,
	METRIC_MEMORY,
	METRIC_STARTED_AT,
};
#define METRICS (METRIC_STARTED_AT + 1)

/* As many label values as the metric has labels; the others are NULL.  Times
 * are in microseconds, and printed as seconds. */
void metrics_add(
    enum metric metric, const char *first, const char *second, int64_t n);
void metrics_set(
    enum metric metric, const char *first, const char *second, int64_t value);
/* A histogram's: so many times the same. */
void metrics_observe(
    enum metric metric, const char *first, int64_t us, int64_t n);

/* Counts nothing, but makes it appear with 0: rates are of no use where a
 * series begins with its first event. */
static inline void
metrics_declare(enum metric metric, const char *first, const char *second)
{
	metrics_add(metric, first, second, 0);
}

/* 0 for what was never counted. */
int64_t metrics_value(
    enum metric metric, const char *first, const char *second);
/* How many times a histogram, whose value is their sum, has seen. */
int64_t metrics_count(enum metric metric, const char *first);
/* The sum over all labels. */
int64_t metrics_sum(enum metric metric);

/* Forgets everything. */
void metrics_reset(void);

/* Appends the text format of Prometheus, version 0.0.4.
 * https://prometheus.io/docs/instrumenting/exposition_formats/ */
void metrics_print(struct buf *buf);
/* Appends all metrics as a Markdown table; docs/metrics.md holds it. */
void metrics_print_reference(struct buf *buf);

#endif
