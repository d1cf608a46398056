/*
 * The log: one line for each event, on standard error; JSON with the time in
 * UTC, or text for a terminal with the local time.  An event has a stable
 * dotted name, listed in docs/events.md.  Where standard error is the systemd
 * journal's, a line goes there with its fields.
 *
 * A line that its reader does not take at once is lost and counted, and
 * the next line that gets through says how many were ("dropped").  The program
 * is expected to ignore SIGPIPE.
 */
#ifndef PGRIPPLE_OBSERVE_LOG_H
#define PGRIPPLE_OBSERVE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pgripple/error.h>

enum log_level {
	LOG_LEVEL_ERROR, /* somebody must act */
	LOG_LEVEL_WARNING, /* degraded; says what comes next */
	LOG_LEVEL_INFO, /* life cycle, and a line per change */
	LOG_LEVEL_DEBUG, /* every key */
};

enum log_format {
	LOG_FORMAT_AUTO, /* text on a terminal, else JSON */
	LOG_FORMAT_JSON,
	LOG_FORMAT_TEXT,
};

const char *log_level_name(enum log_level level);

struct log_options {
	enum log_level level;
	enum log_format format;
	bool values; /* false: keys and values are hidden */
};

enum log_field_kind {
	LOG_FIELD_END,
	LOG_FIELD_STRING,
	LOG_FIELD_INT,
	LOG_FIELD_JSON, /* a JSON text, put in as it is; up to 16 kB */
};

struct log_field {
	enum log_field_kind kind;
	const char *name;
	const char *string;
	int64_t number;
};

static inline struct log_field
log_string(const char *name, const char *value)
{
	return (struct log_field){LOG_FIELD_STRING, name, value, 0};
}

static inline struct log_field
log_int(const char *name, int64_t value)
{
	return (struct log_field){LOG_FIELD_INT, name, NULL, value};
}

static inline struct log_field
log_json(const char *name, const char *json)
{
	return (struct log_field){LOG_FIELD_JSON, name, json, 0};
}

/* Once at start, again at every reload. */
void log_configure(const struct log_options *options);
bool log_is_on(enum log_level level);
bool log_shows_values(void);

/* Writes one line.  A string of NULL is left out, a long one is cut at 1,000
 * bytes; control characters are escaped.  The same event more than ten times a
 * second is held back, and the next line of it says how many were
 * ("suppressed").  Never blocks and never fails its caller. */
void log_fields(
    enum log_level level, const char *event, const struct log_field *fields);
#define log_event(level, event, ...) \
	log_fields(level, event,     \
	    (const struct log_field[]){__VA_ARGS__, {LOG_FIELD_END, 0, 0, 0}})
/* An event that has no fields. */
#define log_plain(level, event)  \
	log_fields(level, event, \
	    (const struct log_field[]){{LOG_FIELD_END, 0, 0, 0}})

/* An error's text ("error"), hint ("hint") and place ("at").  CONFIG errors are
 * never held back: the operator is to see them all. */
void log_error(
    enum log_level level, const char *event, const struct pgripple_error *err);
/* The same, with one field that says about what. */
void log_error_of(enum log_level level, const char *event, const char *name,
    const char *value, const struct pgripple_error *err);

/* Lines that are not held back when they repeat: those of single changes,
 * which have a bound of their own. */
void log_unlimited(
    enum log_level level, const char *event, const struct log_field *fields);

#endif
