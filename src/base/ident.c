/*
 * SQL identifiers, by the lexical rules of Postgres (its manual, section
 * 4.1.1, and src/backend/parser/scan.l).
 */
#include "base/ident.h"

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

#define MAX_NAME 63 /* bytes: NAMEDATALEN - 1 */

struct scan {
	struct arena *arena;
	const char *text; /* all of it, for messages */
	size_t length;
	const char *at;
	const char *end;
};

static bool
is_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool
is_inside(char c)
{
	return is_start(c) || (c >= '0' && c <= '9') || c == '$';
}

static int
refuse(const struct scan *scan, const char *reason, struct pgripple_error *err)
{
	return pgripple_error_set(err, PGRIPPLE_ERROR_INPUT,
	    "\"%.*s\" is no SQL name: %s",
	    scan->length > 200 ? 200 : (int)scan->length, scan->text, reason);
}

static size_t
scan_plain(struct scan *scan, char *name)
{
	size_t n = 0;

	while (scan->at < scan->end && is_inside(*scan->at)) {
		char c = *scan->at++;

		name[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return n;
}

/* From after the opening quote to after the closing one; 1 if that is
 * missing. */
static int
scan_quoted(struct scan *scan, char *name, size_t *ret_n)
{
	size_t n = 0;

	while (scan->at < scan->end) {
		char c = *scan->at++;

		if (c == '"') {
			if (scan->at == scan->end || *scan->at != '"') {
				*ret_n = n;
				return 0;
			}
			scan->at++;
		}
		name[n++] = c;
	}
	return 1;
}

static int
scan_name(struct scan *scan, const char **ret_name, struct pgripple_error *err)
{
	size_t left = (size_t)(scan->end - scan->at);
	char *name = arena_alloc(scan->arena, left + 1);
	size_t n;

	if (name == NULL)
		return pgripple_error_nomem(err);
	if (left == 0)
		return refuse(scan, "a name is missing", err);
	if (*scan->at == '"') {
		scan->at++;
		if (scan_quoted(scan, name, &n) != 0)
			return refuse(
			    scan, "the closing quote is missing", err);
		if (n == 0)
			return refuse(scan, "a name is empty", err);
	} else if (is_start(*scan->at))
		n = scan_plain(scan, name);
	else if (*scan->at == '.')
		return refuse(scan, "a name is missing", err);
	else
		return refuse(scan,
		    "a name that does not start with a letter or underscore "
		    "needs double quotes",
		    err);
	if (n > MAX_NAME)
		return refuse(scan, "a name is longer than 63 bytes", err);
	name[n] = '\0';
	*ret_name = name;
	return 0;
}

int
ident_parse(struct arena *arena, const char *text, size_t length,
    const char **ret_schema, const char **ret_name, struct pgripple_error *err)
{
	struct scan scan = {arena, text, length, text, text + length};
	const char *schema = NULL, *name = NULL;

	if (length > 0 && memchr(text, '\0', length) != NULL)
		return refuse(&scan, "it holds a NUL byte", err);
	if (scan_name(&scan, &name, err) != 0)
		return -1;
	if (scan.at < scan.end && *scan.at == '.') {
		scan.at++;
		schema = name;
		if (scan_name(&scan, &name, err) != 0)
			return -1;
	}
	if (scan.at < scan.end && *scan.at == '.')
		return refuse(
		    &scan, "it has more parts than schema and name", err);
	if (scan.at < scan.end)
		return refuse(&scan,
		    "a name with other characters than letters, digits, "
		    "underscore and dollar needs double quotes",
		    err);
	*ret_schema = schema;
	*ret_name = name;
	return 0;
}

void
ident_print(struct buf *buf, const char *name)
{
	bool plain = (*name >= 'a' && *name <= 'z') || *name == '_';

	for (const char *at = name; plain && *at != '\0'; at++)
		plain = (*at >= 'a' && *at <= 'z') || *at == '_' ||
			(*at >= '0' && *at <= '9');
	if (plain) {
		buf_add_string(buf, name);
		return;
	}
	buf_add_char(buf, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"')
			buf_add_char(buf, '"');
		buf_add_char(buf, *name);
	}
	buf_add_char(buf, '"');
}
