/*
 * SQL text: identifiers, literals and arrays.
 *
 * PQescapeIdentifier() and PQescapeLiteral() need a connection; these do not,
 * so SQL can be written for people to read.  They rely on an encoding in which
 * no byte of a longer character is ASCII, as UTF-8 is; sessions speak nothing
 * else.
 */
#include "postgres/quote.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"

static void
add_doubled(struct buf *buf, const char *text, const char *doubled)
{
	for (; *text != '\0'; text++) {
		if (strchr(doubled, *text) != NULL)
			buf_add_char(buf, *text);
		buf_add_char(buf, *text);
	}
}

void
quote_identifier(struct buf *sql, const char *name)
{
	buf_add_char(sql, '"');
	add_doubled(sql, name, "\"");
	buf_add_char(sql, '"');
}

void
quote_literal(struct buf *sql, const char *text)
{
	if (strchr(text, '\\') != NULL)
		buf_add_string(sql, " E");
	buf_add_char(sql, '\'');
	add_doubled(sql, text, "'\\");
	buf_add_char(sql, '\'');
}

void
array_open(struct buf *array)
{
	buf_add_char(array, '{');
}

static void
array_comma(struct buf *array)
{
	if (array->n > 0 && array->bytes[array->n - 1] != '{')
		buf_add_char(array, ',');
}

void
array_add(struct buf *array, const char *text, size_t length)
{
	array_comma(array);
	buf_add_char(array, '"');
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"' || text[i] == '\\')
			buf_add_char(array, '\\');
		buf_add_char(array, text[i]);
	}
	buf_add_char(array, '"');
}

void
array_add_string(struct buf *array, const char *text)
{
	array_add(array, text, strlen(text));
}

void
array_add_int(struct buf *array, int64_t number)
{
	array_comma(array);
	buf_printf(array, "%" PRId64, number);
}

void
array_close(struct buf *array)
{
	buf_add_char(array, '}');
}
