/*
 * The log: which events are written, and how often.
 */
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "observe/log_journal.h"
#include "observe/log_line.h"
#include "observe/log_sink.h"
#include "observe/metrics.h"
#include "observe/recent.h"

#define RATE_LINES 10 /* of one event ... */
#define RATE_US 1000000 /* ... in this time */
#define MAX_RATES 1000
#define KEEP_BYTES ((size_t)64 * 1024)

/* How often an event came lately. */
struct rate {
	int64_t since_us; /* monotonic */
	int n_lines;
	uint64_t suppressed;
	char event[]; /* the key of its entry */
};

static struct {
	struct log_options options;
	bool is_open;
	bool is_text;
	bool colour;
	uint64_t dropped;
	struct map rates; /* event -> struct rate */
	struct buf line; /* kept from line to line */
	struct buf copy; /* the same as JSON, where it is text */
	struct buf entry; /* the same with its fields, for the journal */
} state = {.options = {LOG_LEVEL_INFO, LOG_FORMAT_AUTO, true}};

const char *
log_level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "unknown";
}

/* https://no-color.org: set and not empty, whatever its value. */
static bool
is_colour_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");

	return no_color == NULL || *no_color == '\0';
}

void
log_configure(const struct log_options *options)
{
	bool terminal = isatty(STDERR_FILENO) != 0;

	state.options = *options;
	state.is_text = options->format == LOG_FORMAT_TEXT ||
			(options->format == LOG_FORMAT_AUTO && terminal);
	state.colour = state.is_text && terminal && is_colour_wanted();
	state.is_open = true;
	log_sink_open();
	log_journal_open(LOG_JOURNAL_SOCKET);
}

bool
log_is_on(enum log_level level)
{
	return level <= state.options.level;
}

bool
log_shows_values(void)
{
	return state.options.values;
}

/* NULL when out of memory, or past a number of events that constant names never
 * reach: the event is not limited then. */
static struct rate *
find_rate(const char *event)
{
	size_t length = strlen(event);
	struct rate *rate = map_get(&state.rates, event, length);
	void **place;

	if (rate != NULL || state.rates.n_entries >= MAX_RATES)
		return rate;
	rate = calloc(1, sizeof(*rate) + length + 1);
	if (rate == NULL)
		return NULL;
	memcpy(rate->event, event, length);
	place = map_put(&state.rates, rate->event, length);
	if (place == NULL) {
		free(rate);
		return NULL;
	}
	*place = rate;
	return rate;
}

static bool
admit(struct rate *rate)
{
	int64_t now_us = clock_monotonic_us();

	if (rate->n_lines == 0 || now_us - rate->since_us >= RATE_US) {
		rate->since_us = now_us;
		rate->n_lines = 0;
	}
	if (rate->n_lines == RATE_LINES) {
		metrics_add(METRIC_LOG_DROPPED, "held back", NULL, 1);
		rate->suppressed++;
		return false;
	}
	rate->n_lines++;
	return true;
}

/* For whoever wants to see the last lines. */
static void
keep(const struct log_line *line)
{
	struct buf *json = &state.line;

	if (line->level > LOG_LEVEL_INFO || !recent_is_on())
		return;
	if (state.is_text) {
		json = &state.copy;
		buf_reset(json);
		log_line_print_json(json, line);
	}
	if (json->failed)
		return;
	recent_keep(line->level == LOG_LEVEL_INFO &&
			    strncmp(line->event, "change", 6) == 0
			? RECENT_CHANGE
			: RECENT_NOTE,
	    json->bytes, json->n - 1);
	if (state.copy.capacity > KEEP_BYTES)
		buf_done(&state.copy);
}

/* An entry that is too large for the journal has no fields: its text tells
 * all. */
static int
send_entry(const struct log_line *line)
{
	int result = LOG_JOURNAL_TOO_LARGE;

	for (int with_fields = 1;
	     result == LOG_JOURNAL_TOO_LARGE && with_fields >= 0;
	     with_fields--) {
		buf_reset(&state.entry);
		log_line_print_journal(&state.entry, line, state.line.bytes,
		    state.line.n - 1, with_fields != 0);
		if (state.entry.failed)
			return LOG_JOURNAL_FULL;
		result = log_journal_send(state.entry.bytes, state.entry.n);
	}
	if (state.entry.capacity > KEEP_BYTES)
		buf_done(&state.entry);
	return result;
}

/* Where journald cannot be reached, standard error is what is left. */
static bool
put_line(const struct log_line *line)
{
	int result = LOG_JOURNAL_GONE;

	if (state.line.failed)
		return false;
	if (log_journal_is_open())
		result = send_entry(line);
	if (result == LOG_JOURNAL_GONE)
		return log_sink_write(state.line.bytes, state.line.n);
	return result == 0;
}

/* False if the line is lost. */
static bool
write_line(const struct log_line *line)
{
	bool written;

	if (!state.is_open) {
		struct log_options options = state.options;

		log_configure(&options);
	}
	buf_reset(&state.line);
	if (state.is_text)
		log_line_print_text(&state.line, line, state.colour);
	else
		log_line_print_json(&state.line, line);
	written = put_line(line);
	state.dropped = written ? 0 : state.dropped + 1;
	if (written)
		metrics_add(
		    METRIC_LOG_LINES, log_level_name(line->level), NULL, 1);
	else
		metrics_add(METRIC_LOG_DROPPED, "lost", NULL, 1);
	keep(line);
	if (state.line.capacity > KEEP_BYTES)
		buf_done(&state.line);
	return written;
}

void
log_unlimited(
    enum log_level level, const char *event, const struct log_field *fields)
{
	if (!log_is_on(level))
		return;
	/* A lost line is counted, and that is all that can be done. */
	(void)write_line(&(struct log_line){.wall_us = clock_wall_us(),
	    .level = level,
	    .event = event,
	    .fields = fields,
	    .dropped = state.dropped});
}

void
log_fields(
    enum log_level level, const char *event, const struct log_field *fields)
{
	struct rate *rate;

	if (!log_is_on(level))
		return;
	rate = find_rate(event);
	if (rate == NULL) {
		log_unlimited(level, event, fields);
		return;
	}
	if (!admit(rate))
		return;
	if (write_line(&(struct log_line){.wall_us = clock_wall_us(),
		.level = level,
		.event = event,
		.fields = fields,
		.suppressed = rate->suppressed,
		.dropped = state.dropped}))
		rate->suppressed = 0;
}

void
log_error_of(enum log_level level, const char *event, const char *name,
    const char *value, const struct pgripple_error *err)
{
	const struct pgripple_position *at = &err->at;
	char place[512];

	if (at->file != NULL && at->line > 0)
		(void)snprintf(place, sizeof(place), "%s:%d:%d", at->file,
		    at->line, at->column);
	{
		const struct log_field fields[] = {
		    log_string(name, value),
		    log_string("error", err->text),
		    log_string("hint", err->hint[0] == '\0' ? NULL : err->hint),
		    log_string("at",
			at->file != NULL && at->line > 0 ? place : at->file),
		    {.kind = LOG_FIELD_END},
		};

		if (err->kind == PGRIPPLE_ERROR_CONFIG)
			log_unlimited(level, event, fields);
		else
			log_fields(level, event, fields);
	}
}

void
log_error(
    enum log_level level, const char *event, const struct pgripple_error *err)
{
	log_error_of(level, event, "", NULL, err);
}
