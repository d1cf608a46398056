/*
 * JSON text into a buffer.
 */
#include "base/json_write.h"

#include <inttypes.h>
#include <string.h>

#include "base/json_read.h"
#include "base/utf8.h"

static void
comma(struct buf *buf)
{
	char last = buf->n == 0 ? '\0' : buf->bytes[buf->n - 1];

	if (last != '\0' && last != '{' && last != '[' && last != ':')
		buf_add_char(buf, ',');
}

void
json_write_open(struct buf *buf, char bracket)
{
	comma(buf);
	buf_add_char(buf, bracket);
}

void
json_write_close(struct buf *buf, char bracket)
{
	buf_add_char(buf, bracket);
}

static void
add_escape(struct buf *buf, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add_string(buf, "\\\"");
		break;
	case '\\':
		buf_add_string(buf, "\\\\");
		break;
	case '\n':
		buf_add_string(buf, "\\n");
		break;
	case '\r':
		buf_add_string(buf, "\\r");
		break;
	case '\t':
		buf_add_string(buf, "\\t");
		break;
	default:
		buf_printf(buf, "\\u%04x", (unsigned)c);
	}
}

static bool
is_bare(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Adds the character that starts here and is not bare ASCII; returns its
 * bytes.  Control characters (C0, DEL and C1) are escaped: a terminal must
 * not take them for commands. */
static size_t
add_special(struct buf *buf, const char *bytes, size_t n)
{
	size_t length = utf8_length(bytes, n);

	if (length == 0) {
		buf_add_string(buf, "\xef\xbf\xbd");
		return 1;
	}
	if (length == 1)
		add_escape(buf, (unsigned char)bytes[0]);
	else if (memcmp(bytes, "\xc2\xa0", 2) < 0)
		add_escape(buf, (unsigned char)bytes[1]);
	else
		buf_add(buf, bytes, length);
	return length;
}

void
json_write_quoted(struct buf *buf, const char *bytes, size_t n)
{
	size_t i = 0;

	buf_add_char(buf, '"');
	while (i < n) {
		size_t from = i;

		while (i < n && is_bare(bytes[i]))
			i++;
		buf_add(buf, bytes + from, i - from);
		if (i < n)
			i += add_special(buf, bytes + i, n - i);
	}
	buf_add_char(buf, '"');
}

void
json_write_key(struct buf *buf, const char *key)
{
	comma(buf);
	json_write_quoted(buf, key, strlen(key));
	buf_add_char(buf, ':');
}

void
json_write_string(struct buf *buf, const char *bytes, size_t n)
{
	comma(buf);
	json_write_quoted(buf, bytes, n);
}

/* Of a valid sequence of two to four bytes. */
static unsigned int
code_point(const unsigned char *at, size_t length)
{
	unsigned int code = at[0] & (0x7fU >> length);

	for (size_t i = 1; i < length; i++)
		code = code << 6 | (at[i] & 0x3fU);
	return code;
}

void
json_write_ascii(struct buf *buf, const char *json, size_t n)
{
	while (n > 0) {
		size_t length = utf8_length(json, n);
		unsigned int code;

		if (length <= 1) {
			buf_add_char(buf, *json++);
			n--;
			continue;
		}
		code = code_point((const unsigned char *)json, length);
		if (code > 0xffff) {
			buf_printf(
			    buf, "\\u%04x", 0xd800 + ((code - 0x10000) >> 10));
			code = 0xdc00 + (code & 0x3ff);
		}
		buf_printf(buf, "\\u%04x", code);
		json += length;
		n -= length;
	}
}

void
json_write_int(struct buf *buf, int64_t value)
{
	comma(buf);
	buf_printf(buf, "%" PRId64, value);
}

void
json_write_bool(struct buf *buf, bool value)
{
	comma(buf);
	buf_add_string(buf, value ? "true" : "false");
}

void
json_write_member(struct buf *buf, const char *key, const char *value)
{
	json_write_key(buf, key);
	json_write_string(buf, value, strlen(value));
}

void
json_write_member_int(struct buf *buf, const char *key, int64_t value)
{
	json_write_key(buf, key);
	json_write_int(buf, value);
}

static void
write_children(struct buf *buf, const struct json *value)
{
	for (const struct json *at = value->first; at != NULL; at = at->next) {
		if (at != value->first)
			buf_add_char(buf, ',');
		if (value->kind == JSON_OBJECT) {
			json_write_quoted(buf, at->key, at->key_length);
			buf_add_char(buf, ':');
		}
		json_write_tree(buf, at);
	}
}

void
json_write_tree(struct buf *buf, const struct json *value)
{
	switch (value->kind) {
	case JSON_NULL:
	case JSON_TRUE:
	case JSON_FALSE:
		buf_add_string(buf, json_kind_name(value->kind));
		break;
	case JSON_NUMBER:
		buf_add(buf, value->text, value->length);
		break;
	case JSON_STRING:
		json_write_quoted(buf, value->text, value->length);
		break;
	case JSON_ARRAY:
		buf_add_char(buf, '[');
		write_children(buf, value);
		buf_add_char(buf, ']');
		break;
	case JSON_OBJECT:
		buf_add_char(buf, '{');
		write_children(buf, value);
		buf_add_char(buf, '}');
		break;
	}
}
