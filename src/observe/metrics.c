/*
 * Metrics: where they are kept, and how they are printed.
 *
 * A series is one metric with one set of label values.  Those of a metric are
 * a list, in the order in which they came; a map finds them.
 */
#include "observe/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "observe/metrics_table.h"

/* From below one round trip to a backlog of a minute. */
static const int64_t bucket_us[] = {
    100,
    250,
    500,
    1000,
    2500,
    5000,
    10000,
    25000,
    50000,
    100000,
    250000,
    500000,
    1000000,
    2500000,
    5000000,
    10000000,
    30000000,
    60000000,
};
#define BUCKETS N_ELEMENTS(bucket_us)

struct series {
	struct series *next;
	const char *labels[METRICS_MAX_LABELS]; /* in the arena */
	int64_t value; /* of a histogram: the sum */
	int64_t *counts; /* a histogram's, the last above all buckets */
};

static struct {
	struct arena *arena; /* NULL until something is counted */
	struct map known; /* labels, with the metric -> struct series */
	struct series *first[METRICS];
	struct series **end[METRICS];
	struct series *last[METRICS]; /* that was found: often the next, too */
} state;

static struct series *
new_series(enum metric metric, const char *first, const char *second)
{
	struct series *series = arena_alloc(state.arena, sizeof(*series));
	const char *given[METRICS_MAX_LABELS] = {first, second};

	if (series == NULL)
		return NULL;
	for (size_t i = 0; i < METRICS_MAX_LABELS; i++) {
		if (metrics_table[metric].labels[i] == NULL)
			continue;
		series->labels[i] =
		    arena_strdup(state.arena, given[i] == NULL ? "" : given[i]);
		if (series->labels[i] == NULL)
			return NULL;
	}
	if (metrics_table[metric].type == METRIC_HISTOGRAM) {
		series->counts = arena_array(
		    state.arena, BUCKETS + 1, sizeof(*series->counts));
		if (series->counts == NULL)
			return NULL;
	}
	return series;
}

static void
append(enum metric metric, struct series *series)
{
	if (state.end[metric] == NULL)
		state.end[metric] = &state.first[metric];
	*state.end[metric] = series;
	state.end[metric] = &series->next;
}

/* "METRIC LABEL NUL LABEL"; a name of the configuration that is longer shares
 * its series with those that begin alike. */
struct key {
	size_t n;
	char bytes[512];
};

static void
print_key(
    struct key *key, enum metric metric, const char *first, const char *second)
{
	const char *parts[METRICS_MAX_LABELS] = {first, second};

	key->bytes[0] = (char)metric;
	key->n = 1;
	for (size_t i = 0; i < METRICS_MAX_LABELS; i++) {
		size_t room = sizeof(key->bytes) / METRICS_MAX_LABELS - 1;
		size_t length = parts[i] == NULL ? 0 : strnlen(parts[i], room);

		if (length > 0)
			memcpy(key->bytes + key->n, parts[i], length);
		key->n += length;
		if (i == 0)
			key->bytes[key->n++] = '\0';
	}
}

/* A label that is not given counts as an empty one, as in new_series(). */
static bool
has_label(const struct series *series, size_t i, const char *given)
{
	const char *label = series->labels[i];

	return label == NULL || strcmp(label, given == NULL ? "" : given) == 0;
}

static bool
is_last(enum metric metric, const char *first, const char *second)
{
	const struct series *last = state.last[metric];

	return last != NULL && has_label(last, 0, first) &&
	       has_label(last, 1, second);
}

static struct series *
find(enum metric metric, const char *first, const char *second)
{
	struct series *series;
	struct key key;
	void **place;

	if (is_last(metric, first, second))
		return state.last[metric];
	if (state.arena == NULL)
		state.arena = arena_new();
	if (state.arena == NULL)
		return NULL;
	print_key(&key, metric, first, second);
	place = map_put_copy(&state.known, state.arena, key.bytes, key.n, NULL);
	if (place == NULL)
		return NULL;
	series = *place;
	if (series == NULL) {
		series = new_series(metric, first, second);
		*place = series;
		if (series != NULL)
			append(metric, series);
	}
	state.last[metric] = series;
	return series;
}

void
metrics_add(
    enum metric metric, const char *first, const char *second, int64_t n)
{
	struct series *series = find(metric, first, second);

	if (series != NULL)
		series->value += n;
}

void
metrics_set(
    enum metric metric, const char *first, const char *second, int64_t value)
{
	struct series *series = find(metric, first, second);

	if (series != NULL)
		series->value = value;
}

void
metrics_observe(enum metric metric, const char *first, int64_t us, int64_t n)
{
	struct series *series = find(metric, first, NULL);
	size_t i = 0;

	if (series == NULL)
		return;
	if (us < 0)
		us = 0; /* clocks of two machines differ */
	while (i < BUCKETS && us > bucket_us[i])
		i++;
	series->counts[i] += n;
	series->value += us * n;
}

int64_t
metrics_value(enum metric metric, const char *first, const char *second)
{
	const struct series *series = find(metric, first, second);

	return series == NULL ? 0 : series->value;
}

int64_t
metrics_count(enum metric metric, const char *first)
{
	const struct series *series = find(metric, first, NULL);
	int64_t count = 0;

	for (size_t i = 0; series != NULL && i <= BUCKETS; i++)
		count += series->counts[i];
	return count;
}

int64_t
metrics_sum(enum metric metric)
{
	int64_t sum = 0;

	for (const struct series *series = state.first[metric]; series != NULL;
	     series = series->next)
		sum += series->value;
	return sum;
}

void
metrics_reset(void)
{
	map_done(&state.known);
	arena_free(state.arena);
	memset(&state, 0, sizeof(state));
}

/* Printing. */

static void
print_number(struct buf *buf, const struct metric_row *row, int64_t value)
{
	if (row->is_time)
		buf_printf(buf, "%" PRId64 ".%06" PRId64 "\n", value / 1000000,
		    value % 1000000);
	else
		buf_printf(buf, "%" PRId64 "\n", value);
}

static void
print_label(struct buf *buf, const char *name, const char *value)
{
	buf_printf(buf, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			buf_add_string(buf, "\\n");
			continue;
		}
		if (*value == '"' || *value == '\\')
			buf_add_char(buf, '\\');
		buf_add_char(buf, *value);
	}
	buf_add_char(buf, '"');
}

static void
print_labels(struct buf *buf, const struct metric_row *row,
    const struct series *series, const char *bound)
{
	const char *before = "{";

	for (size_t i = 0; i < METRICS_MAX_LABELS; i++)
		if (row->labels[i] != NULL) {
			buf_add_string(buf, before);
			print_label(buf, row->labels[i], series->labels[i]);
			before = ",";
		}
	if (bound != NULL) {
		buf_printf(buf, "%sle=\"%s\"", before, bound);
		before = ",";
	}
	if (*before == ',')
		buf_add_char(buf, '}');
	buf_add_char(buf, ' ');
}

/* "0.0025", as a double prints; not "0.002500". */
static const char *
bound_text(size_t bucket, char *text, size_t size)
{
	if (bucket == BUCKETS)
		return "+Inf";
	(void)snprintf(text, size, "%g", (double)bucket_us[bucket] / 1e6);
	return text;
}

static void
print_histogram(
    struct buf *buf, const struct metric_row *row, const struct series *series)
{
	int64_t count = 0;
	char text[32];

	for (size_t i = 0; i <= BUCKETS; i++) {
		count += series->counts[i];
		buf_printf(buf, "%s_bucket", row->name);
		print_labels(
		    buf, row, series, bound_text(i, text, sizeof(text)));
		buf_printf(buf, "%" PRId64 "\n", count);
	}
	buf_printf(buf, "%s_sum", row->name);
	print_labels(buf, row, series, NULL);
	print_number(buf, row, series->value);
	buf_printf(buf, "%s_count", row->name);
	print_labels(buf, row, series, NULL);
	buf_printf(buf, "%" PRId64 "\n", count);
}

static void
print_head(struct buf *buf, const struct metric_row *row)
{
	buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help,
	    row->name, metric_type_name(row->type));
}

static void
print_series(
    struct buf *buf, const struct metric_row *row, const struct series *series)
{
	if (row->type == METRIC_HISTOGRAM) {
		print_histogram(buf, row, series);
		return;
	}
	buf_add_string(buf, row->name);
	print_labels(buf, row, series, NULL);
	print_number(buf, row, series->value);
}

void
metrics_print(struct buf *buf)
{
	for (size_t i = 0; i < METRICS; i++) {
		const struct series *series = state.first[i];

		if (series != NULL)
			print_head(buf, &metrics_table[i]);
		for (; series != NULL; series = series->next)
			print_series(buf, &metrics_table[i], series);
	}
}
