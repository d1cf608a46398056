/*
 * What a line of the log looks like.
 */
#ifndef PGRIPPLE_OBSERVE_LOG_LINE_H
#define PGRIPPLE_OBSERVE_LOG_LINE_H

#include "base/buf.h"
#include "observe/log.h"

struct log_line {
	int64_t wall_us;
	enum log_level level;
	const char *event;
	const struct log_field *fields;
	uint64_t suppressed; /* of the same event, since its last line */
	uint64_t dropped; /* of any event, since the last line */
};

/* Both append the line and its newline. */
void log_line_print_json(struct buf *buf, const struct log_line *line);
void log_line_print_text(
    struct buf *buf, const struct log_line *line, bool colour);
/* Appends an entry of the systemd journal: the n bytes of message, the line as
 * it was printed, and each of its fields as PGRIPPLE_<NAME> if it is to have
 * them. */
void log_line_print_journal(struct buf *buf, const struct log_line *line,
    const char *message, size_t n, bool with_fields);

#endif
