/*
 * A line of the daemon's log, for people:
 *
 *   16:46:33.123 update public.app_team: team -> tournament (2 rows) | team:7
 *                tournament:1 tournament:2 | 2.3 ms, xid 4711
 *   16:46:34.001 WARNING redis.down target=default error="..." next="..."
 *
 * (the first is one line).  Values come from rows that anybody may have
 * written; what is not plain is quoted and escaped.
 */
#include "cli/tail_line.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/json_write.h"
#include "cli/output.h"

#define PATH_SEPARATOR ">" /* of the log's field "path" */

static void
add_styled(struct buf *buf, enum output_style style, const char *text)
{
	buf_add_string(buf, output_begin(stdout, style));
	buf_add_string(buf, text);
	buf_add_string(buf, output_end(stdout, style));
}

/* With a "?" for what gives a terminal orders: control characters, those of
 * Latin 1 in UTF-8 too. */
static void
add_safe(struct buf *buf, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		unsigned char next = i + 1 < n ? (unsigned char)text[i + 1] : 0;
		bool is_c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;

		buf_add_char(
		    buf, c < ' ' || c == 0x7f || is_c1 ? '?' : (char)c);
		i += is_c1 ? 1 : 0;
	}
}

static void
add_text(struct buf *buf, const struct json *line, const char *name)
{
	const char *text = json_text(line, name);

	add_safe(buf, text, strlen(text));
}

/* In quotes unless it is one plain word. */
static void
add_word(struct buf *buf, const char *bytes, size_t n)
{
	bool plain = n > 0;

	for (size_t i = 0; plain && i < n; i++)
		plain = bytes[i] > ' ' && bytes[i] < 0x7f &&
			strchr("\"\\", bytes[i]) == NULL;
	if (plain)
		buf_add(buf, bytes, n);
	else
		json_write_quoted(buf, bytes, n);
}

static void
add_value(struct buf *buf, const struct json *value)
{
	const bool is_object = value->kind == JSON_OBJECT;

	switch (value->kind) {
	case JSON_NULL:
	case JSON_TRUE:
	case JSON_FALSE:
		buf_add_string(buf, json_kind_name(value->kind));
		return;
	case JSON_NUMBER:
	case JSON_STRING:
		add_word(buf, value->text, value->length);
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	buf_add_char(buf, is_object ? '{' : '[');
	for (const struct json *at = value->first; at != NULL; at = at->next) {
		if (at != value->first)
			buf_add_string(buf, ", ");
		if (is_object) {
			add_word(buf, at->key, at->key_length);
			buf_add_char(buf, '=');
		}
		add_value(buf, at);
	}
	buf_add_char(buf, is_object ? '}' : ']');
}

/* The local time of a line; false if it has none. */
static bool
local_time(const struct json *line, struct tm *ret_local)
{
	struct tm utc = {0};
	time_t seconds;

	if (strptime(json_text(line, "ts"), "%Y-%m-%dT%H:%M:%S", &utc) == NULL)
		return false;
	seconds = timegm(&utc);
	return localtime_r(&seconds, ret_local) != NULL;
}

void
tail_line_day(const struct json *line, char ret_day[TAIL_DAY])
{
	struct tm local;

	if (!local_time(line, &local) ||
	    strftime(ret_day, TAIL_DAY, "%Y-%m-%d", &local) == 0)
		ret_day[0] = '\0';
}

static void
add_time(struct buf *buf, const struct json *line)
{
	const char *fraction = strchr(json_text(line, "ts"), '.');
	struct tm local;
	char text[32];
	int ms;
	size_t n;

	if (!local_time(line, &local))
		return;
	n = strftime(text, sizeof(text), "%H:%M:%S", &local);
	if (fraction != NULL && sscanf(fraction, ".%3d", &ms) == 1)
		(void)snprintf(text + n, sizeof(text) - n, ".%03d", ms);
	add_styled(buf, OUTPUT_FAINT, text);
	buf_add_char(buf, ' ');
}

static void
add_rows(struct buf *buf, int64_t n)
{
	if (n != 1)
		buf_printf(buf, " (%" PRId64 " rows)", n);
}

/* ---- a change ---- */

/* Whether another path goes on where this one ends. */
static bool
goes_on(const struct json *path, const struct json *paths)
{
	const char *text = json_text(path, "path");
	size_t n = strlen(text);

	for (const struct json *at = paths->first; at != NULL; at = at->next) {
		const char *other = json_text(at, "path");

		if (strncmp(other, text, n) == 0 &&
		    other[n] == PATH_SEPARATOR[0])
			return true;
	}
	return false;
}

static void
add_path(struct buf *buf, const struct json *path)
{
	const char *at = json_text(path, "path");

	for (;;) {
		size_t n = strcspn(at, PATH_SEPARATOR);

		add_safe(buf, at, n);
		if (at[n] == '\0')
			break;
		buf_add_string(buf, " -> ");
		at += n + 1;
	}
	if (json_member(path, "whole") != NULL)
		buf_add_string(buf, " (whole)");
	else
		add_rows(buf, json_int(path, "rows"));
}

static void
add_paths(struct buf *buf, const struct json *line)
{
	const struct json *paths = json_member(line, "models");
	const char *separator = ": ";

	if (paths == NULL || paths->kind != JSON_ARRAY)
		return;
	for (const struct json *at = paths->first; at != NULL; at = at->next) {
		if (goes_on(at, paths))
			continue;
		buf_add_string(buf, separator);
		add_path(buf, at);
		separator = ", ";
	}
}

static void
add_keys(struct buf *buf, const struct json *line)
{
	const struct json *keys = json_member(line, "first_keys");
	int64_t left = json_int(line, "keys") + json_int(line, "patterns");

	buf_add_string(buf, " | ");
	if (left == 0)
		buf_add_string(buf, "no key");
	if (keys != NULL && keys->kind == JSON_ARRAY) {
		buf_add_string(buf, output_begin(stdout, OUTPUT_GOOD));
		for (const struct json *at = keys->first; at != NULL;
		     at = at->next) {
			if (at != keys->first)
				buf_add_char(buf, ' ');
			add_value(buf, at);
		}
		buf_add_string(buf, output_end(stdout, OUTPUT_GOOD));
		if (left > (int64_t)keys->n_children)
			buf_printf(buf, " and %" PRId64 " more",
			    left - (int64_t)keys->n_children);
	} else if (left > 0) {
		buf_printf(buf, "%" PRId64 " key%s, not told", left,
		    left == 1 ? "" : "s");
	}
}

static void
add_duration(struct buf *buf, int64_t us)
{
	if (us < 1000)
		buf_printf(buf, " | %" PRId64 " us", us);
	else if (us < 1000000)
		buf_printf(buf, " | %.1f ms", (double)us / 1000);
	else
		buf_printf(buf, " | %.1f s", (double)us / 1000000);
}

static void
add_change(struct buf *buf, const struct json *line)
{
	const struct json *postponed = json_member(line, "postponed");

	if (json_is(json_member(line, "event"), "change.observed"))
		add_styled(buf, OUTPUT_FAINT, "observed ");
	add_text(buf, line, "op");
	buf_add_char(buf, ' ');
	add_value(buf, json_member(line, "table"));
	if (json_member(line, "whole") != NULL) {
		buf_add_string(buf, " (");
		add_text(buf, line, "whole");
		buf_add_char(buf, ')');
	} else {
		add_rows(buf, json_int(line, "rows"));
	}
	add_paths(buf, line);
	add_keys(buf, line);
	add_duration(buf, json_int(line, "us"));
	buf_printf(buf, ", xid %" PRId64 "", json_int(line, "xid"));
	if (postponed != NULL) {
		buf_add_string(buf, ", postponed on ");
		add_value(buf, postponed);
	}
}

static bool
is_change(const struct json *line)
{
	const struct json *event = json_member(line, "event");
	const struct json *table = json_member(line, "table");

	return table != NULL && table->kind == JSON_STRING &&
	       (json_is(event, "change.applied") ||
		   json_is(event, "change.observed"));
}

/* ---- anything else ---- */

static bool
is_head(const struct json *member)
{
	static const char *const heads[] = {"ts", "level", "event"};

	for (size_t i = 0; i < N_ELEMENTS(heads); i++)
		if (strcmp(member->key, heads[i]) == 0)
			return true;
	return false;
}

static void
add_level(struct buf *buf, const struct json *line)
{
	const struct json *level = json_member(line, "level");

	if (json_is(level, "error"))
		add_styled(buf, OUTPUT_BAD, "ERROR ");
	else if (json_is(level, "warning"))
		add_styled(buf, OUTPUT_WARNING, "WARNING ");
}

static void
add_event(struct buf *buf, const struct json *line)
{
	add_level(buf, line);
	add_word(
	    buf, json_text(line, "event"), strlen(json_text(line, "event")));
	for (const struct json *at = line->first; at != NULL; at = at->next) {
		if (is_head(at))
			continue;
		buf_add_char(buf, ' ');
		add_word(buf, at->key, at->key_length);
		buf_add_char(buf, '=');
		add_value(buf, at);
	}
}

void
tail_line_print(struct buf *buf, const struct json *line, bool is_certain)
{
	add_time(buf, line);
	if (is_change(line))
		add_change(buf, line);
	else
		add_event(buf, line);
	if (!is_certain)
		add_styled(buf, OUTPUT_WARNING, " (perhaps: not all is told)");
	buf_add_char(buf, '\n');
}

void
tail_line_print_foreign(struct buf *buf, const char *text, size_t length)
{
	add_safe(buf, text, length);
	buf_add_char(buf, '\n');
}
