/*
 * What a line of the log looks like:
 *
 *   {"ts":"2026-01-02T03:04:05.123456Z","level":"info","event":"daemon.ready"}
 *   2026-01-02 03:04:05.123 INFO  daemon.ready schema=pgripple
 *
 * and in the journal one of them as MESSAGE, beside fields.
 *
 * Values come from rows that anybody may have written.  Whatever they hold, a
 * line stays one line and gives a terminal no orders.
 */
#include "observe/log_line.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "base/utf8.h"

#define MAX_STRING ((size_t)1000)
#define MAX_JSON ((size_t)16 * 1024)

#define RESET "\033[0m"

static bool
is_left_out(const struct log_field *field)
{
	return field->kind != LOG_FIELD_INT && field->string == NULL;
}

/* A string of at most MAX_STRING bytes; a longer one ends in "...". */
static const char *
cut(const char *string, char *copy, size_t *ret_length)
{
	size_t length = strlen(string);

	if (length > MAX_STRING) {
		length = utf8_cut(string, length, MAX_STRING - 3);
		memcpy(copy, string, length);
		memcpy(copy + length, "...", 3);
		string = copy;
		length += 3;
	}
	*ret_length = length;
	return string;
}

/* The JSON text with what could break the line or reach the terminal taken
 * out: between values a control character is white space, in a string it can
 * be written as \u00XX. */
static void
add_json(struct buf *buf, const char *json)
{
	size_t length = strlen(json);

	if (length > MAX_JSON) {
		buf_printf(buf, "\"%zu bytes left out\"", length);
		return;
	}
	for (const char *at = json; *at != '\0'; at++) {
		unsigned char c = (unsigned char)*at;

		if (c < 0x20)
			buf_add_char(buf, ' ');
		else if (c == 0x7f)
			buf_add_string(buf, "\\u007f");
		else if (c == 0xc2 && (unsigned char)at[1] >= 0x80 &&
			 (unsigned char)at[1] < 0xa0)
			buf_printf(buf, "\\u%04x", (unsigned char)*++at);
		else
			buf_add_char(buf, (char)c);
	}
}

static void
add_json_field(struct buf *buf, const struct log_field *field)
{
	char copy[MAX_STRING];
	const char *string;
	size_t length;

	json_write_key(buf, field->name);
	switch (field->kind) {
	case LOG_FIELD_STRING:
		string = cut(field->string, copy, &length);
		json_write_string(buf, string, length);
		break;
	case LOG_FIELD_INT:
		json_write_int(buf, field->number);
		break;
	case LOG_FIELD_JSON:
		add_json(buf, field->string);
		break;
	case LOG_FIELD_END:
		break;
	}
}

void
log_line_print_json(struct buf *buf, const struct log_line *line)
{
	char time[CLOCK_TEXT];

	clock_print(line->wall_us, time, sizeof(time));
	buf_add_char(buf, '{');
	json_write_member(buf, "ts", time);
	json_write_member(buf, "level", log_level_name(line->level));
	json_write_member(buf, "event", line->event);
	for (const struct log_field *field = line->fields;
	     field->kind != LOG_FIELD_END; field++)
		if (!is_left_out(field))
			add_json_field(buf, field);
	if (line->suppressed > 0)
		json_write_member_int(
		    buf, "suppressed", (int64_t)line->suppressed);
	if (line->dropped > 0)
		json_write_member_int(buf, "dropped", (int64_t)line->dropped);
	buf_add_string(buf, "}\n");
}

/* In quotes unless it is one plain word. */
static void
add_word(struct buf *buf, const char *bytes, size_t n)
{
	bool plain = n > 0;

	for (size_t i = 0; plain && i < n; i++)
		plain = bytes[i] > ' ' && bytes[i] < 0x7f &&
			strchr("\"\\=", bytes[i]) == NULL;
	if (plain)
		buf_add(buf, bytes, n);
	else
		json_write_quoted(buf, bytes, n);
}

static void
add_text_field(struct buf *buf, const struct log_field *field)
{
	char copy[MAX_STRING];
	const char *string;
	size_t length;

	buf_printf(buf, " %s=", field->name);
	switch (field->kind) {
	case LOG_FIELD_STRING:
		string = cut(field->string, copy, &length);
		add_word(buf, string, length);
		break;
	case LOG_FIELD_INT:
		buf_printf(buf, "%lld", (long long)field->number);
		break;
	case LOG_FIELD_JSON:
		add_json(buf, field->string);
		break;
	case LOG_FIELD_END:
		break;
	}
}

static void
add_local_time(struct buf *buf, int64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm local = {0};
	char text[CLOCK_TEXT];

	(void)localtime_r(&seconds, &local);
	if (strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) == 0)
		return;
	buf_printf(buf, "%s.%03d", text, (int)(wall_us / 1000 % 1000));
}

static const char *
level_colour(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "\033[31m";
	case LOG_LEVEL_WARNING:
		return "\033[33m";
	case LOG_LEVEL_INFO:
		return "\033[32m";
	case LOG_LEVEL_DEBUG:
		return "\033[2m";
	}
	return "";
}

static void
add_level(struct buf *buf, enum log_level level, bool colour)
{
	/* Five letters wide: "warning" is the only longer name. */
	const char *name =
	    level == LOG_LEVEL_WARNING ? "warn" : log_level_name(level);
	size_t n = 0;

	if (colour)
		buf_add_string(buf, level_colour(level));
	for (; name[n] != '\0'; n++)
		buf_add_char(buf, (char)toupper((unsigned char)name[n]));
	if (colour)
		buf_add_string(buf, RESET);
	for (; n < 6; n++)
		buf_add_char(buf, ' ');
}

void
log_line_print_text(struct buf *buf, const struct log_line *line, bool colour)
{
	add_local_time(buf, line->wall_us);
	buf_add_char(buf, ' ');
	add_level(buf, line->level, colour);
	buf_add_string(buf, line->event);
	for (const struct log_field *field = line->fields;
	     field->kind != LOG_FIELD_END; field++)
		if (!is_left_out(field))
			add_text_field(buf, field);
	if (line->suppressed > 0)
		buf_printf(buf, " suppressed=%llu",
		    (unsigned long long)line->suppressed);
	if (line->dropped > 0)
		buf_printf(
		    buf, " dropped=%llu", (unsigned long long)line->dropped);
	buf_add_char(buf, '\n');
}

/* syslog(3)'s numbers. */
static int
priority_of(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return 3;
	case LOG_LEVEL_WARNING:
		return 4;
	case LOG_LEVEL_INFO:
		return 6;
	case LOG_LEVEL_DEBUG:
		return 7;
	}
	return 6;
}

/* A field of the journal; what has a newline is told by its length, eight bytes
 * with the least significant first. */
static void
add_entry(struct buf *buf, const char *bytes, size_t n)
{
	if (memchr(bytes, '\n', n) == NULL) {
		buf_add_char(buf, '=');
	} else {
		buf_add_char(buf, '\n');
		for (int shift = 0; shift < 64; shift += 8)
			buf_add_char(buf, (char)((uint64_t)n >> shift));
	}
	buf_add(buf, bytes, n);
	buf_add_char(buf, '\n');
}

/* Capitals, digits and underscores are all that a name may have. */
static void
add_entry_name(struct buf *buf, const char *name)
{
	buf_add_string(buf, "PGRIPPLE_");
	for (; *name != '\0'; name++)
		buf_add_char(buf, isalnum((unsigned char)*name)
				      ? (char)toupper((unsigned char)*name)
				      : '_');
}

static void
add_entry_field(struct buf *buf, const struct log_field *field)
{
	char copy[MAX_STRING];
	const char *string;
	size_t length;

	add_entry_name(buf, field->name);
	switch (field->kind) {
	case LOG_FIELD_STRING:
		string = cut(field->string, copy, &length);
		add_entry(buf, string, length);
		break;
	case LOG_FIELD_INT:
		buf_printf(buf, "=%lld\n", (long long)field->number);
		break;
	case LOG_FIELD_JSON:
		buf_add_char(buf, '=');
		add_json(buf, field->string);
		buf_add_char(buf, '\n');
		break;
	case LOG_FIELD_END:
		break;
	}
}

void
log_line_print_journal(struct buf *buf, const struct log_line *line,
    const char *message, size_t n, bool with_fields)
{
	buf_printf(buf, "PRIORITY=%d\nSYSLOG_IDENTIFIER=pgripple\nMESSAGE",
	    priority_of(line->level));
	add_entry(buf, message, n);
	buf_printf(buf, "PGRIPPLE_EVENT=%s\n", line->event);
	for (const struct log_field *field = line->fields;
	     with_fields && field->kind != LOG_FIELD_END; field++)
		if (!is_left_out(field))
			add_entry_field(buf, field);
	if (line->suppressed > 0)
		buf_printf(buf, "PGRIPPLE_SUPPRESSED=%llu\n",
		    (unsigned long long)line->suppressed);
	if (line->dropped > 0)
		buf_printf(buf, "PGRIPPLE_DROPPED=%llu\n",
		    (unsigned long long)line->dropped);
}
