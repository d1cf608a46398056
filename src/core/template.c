/*
 * Key templates: parsing, filling in, and the pattern of all their keys.
 */
#include "core/template.h"

#include <string.h>

#include <pgripple/change.h>

#include "base/arena.h"
#include "base/glob.h"

const char *
template_filter_name(enum template_filter filter)
{
	switch (filter) {
	case TEMPLATE_FILTER_NONE:
		return "none";
	case TEMPLATE_FILTER_LOWER:
		return "lower";
	case TEMPLATE_FILTER_UPPER:
		return "upper";
	}
	return "unknown";
}

struct parser {
	struct arena *arena;
	const char *source;
	const char *at;
	struct template *template;
	struct buf literal; /* the literal under way */
	size_t literal_offset;
	struct pgripple_error *err;
};

static int
fail_at(struct parser *parser, const char *place, const char *text,
    const char *hint)
{
	pgripple_error_set(parser->err, PGRIPPLE_ERROR_CONFIG,
	    "template \"%s\" %s", parser->source, text);
	pgripple_error_hint(parser->err, "%s", hint);
	if (parser->err != NULL)
		parser->err->at.column = (int)(place - parser->source);
	return -1;
}

static struct template_part *
add_part(struct parser *parser, const char *text, size_t length)
{
	struct template_part *part =
	    &parser->template->parts[parser->template->n_parts];

	part->text = arena_copy(parser->arena, text, length);
	if (part->text == NULL)
		return NULL;
	part->length = length;
	parser->template->n_parts++;
	return part;
}

static int
end_literal(struct parser *parser)
{
	struct template_part *part;

	if (parser->literal.failed)
		return pgripple_error_nomem(parser->err);
	if (parser->literal.n == 0)
		return 0;
	part = add_part(parser, parser->literal.bytes, parser->literal.n);
	if (part == NULL)
		return pgripple_error_nomem(parser->err);
	part->offset = parser->literal_offset;
	buf_reset(&parser->literal);
	return 0;
}

static int
parse_filter(struct parser *parser, const char *name, size_t length,
    enum template_filter *ret_filter)
{
	static const enum template_filter filters[] = {
	    TEMPLATE_FILTER_LOWER,
	    TEMPLATE_FILTER_UPPER,
	};

	for (size_t i = 0; i < N_ELEMENTS(filters); i++) {
		const char *known = template_filter_name(filters[i]);

		if (strlen(known) == length &&
		    memcmp(known, name, length) == 0) {
			*ret_filter = filters[i];
			return 0;
		}
	}
	return fail_at(parser, name, "names an unknown filter",
	    "Known filters are \"lower\" and \"upper\".");
}

/* Letters, digits and underscores. */
static int
parse_bare_name(struct parser *parser, struct buf *name)
{
	static const char bare[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_";
	const char *start = parser->at;

	parser->at += strspn(parser->at, bare);
	buf_add(name, start, (size_t)(parser->at - start));
	if (*parser->at != '\0' && strchr("|{}\"", *parser->at) == NULL)
		return fail_at(parser, parser->at,
		    "has a name that needs double quotes",
		    "Write a column with other characters than letters, digits "
		    "and underscores as {\"a name\"}, and no spaces in the "
		    "braces.");
	return 0;
}

/* Anything, with a doubled quote for a quote. */
static int
parse_quoted_name(struct parser *parser, struct buf *name)
{
	const char *start = parser->at;

	for (parser->at++;; parser->at++) {
		if (*parser->at == '\0')
			return fail_at(parser, start,
			    "has a quoted name without end",
			    "Close it with a double quote.");
		if (*parser->at == '"' && *++parser->at != '"')
			return 0;
		buf_add_char(name, *parser->at);
	}
}

static int
parse_name(struct parser *parser, struct buf *name)
{
	const char *start = parser->at;

	if ((*start == '"' ? parse_quoted_name(parser, name)
			   : parse_bare_name(parser, name)) < 0)
		return -1;
	if (name->failed)
		return pgripple_error_nomem(parser->err);
	if (name->n == 0)
		return fail_at(parser, start, "has a placeholder without name",
		    "Write a column in the braces, as in {id}; a literal brace "
		    "is written twice.");
	return 0;
}

/* "{name}" or "{name|filter}"; at stands behind the opening brace. */
static int
parse_placeholder(struct parser *parser)
{
	const char *open = parser->at - 1;
	enum template_filter filter = TEMPLATE_FILTER_NONE;
	CLEANUP(buf_done) struct buf name = BUF_INIT;
	struct template_part *part;

	if (end_literal(parser) < 0 || parse_name(parser, &name) < 0)
		return -1;
	if (*parser->at == '|') {
		const char *start = ++parser->at;

		parser->at += strcspn(parser->at, "|{}\"");
		if (parse_filter(parser, start, (size_t)(parser->at - start),
			&filter) < 0)
			return -1;
	}
	if (*parser->at != '}')
		return fail_at(parser, open, "has a brace without end",
		    "Close the placeholder with \"}\"; a literal brace is "
		    "written twice.");
	parser->at++;
	part = add_part(parser, name.bytes, name.n);
	if (part == NULL)
		return pgripple_error_nomem(parser->err);
	part->is_column = true;
	part->filter = filter;
	part->offset = (size_t)(open - parser->source) + 1;
	return 0;
}

static int
parse_parts(struct parser *parser)
{
	while (*parser->at != '\0') {
		char c = *parser->at++;

		if (c == '{' && *parser->at != '{') {
			if (parse_placeholder(parser) < 0)
				return -1;
			continue;
		}
		if (c == '}' && *parser->at != '}')
			return fail_at(parser, parser->at - 1,
			    "has a closing brace without opening one",
			    "Write a literal brace twice: \"}}\".");
		if (parser->literal.n == 0)
			parser->literal_offset =
			    (size_t)(parser->at - 1 - parser->source);
		buf_add_char(&parser->literal, c);
		if (c == '{' || c == '}')
			parser->at++;
	}
	return end_literal(parser);
}

int
template_parse(struct arena *arena, const char *source,
    struct template **ret_template, struct pgripple_error *err)
{
	struct parser parser = {.arena = arena, .err = err};
	int result;

	parser.template = arena_alloc(arena, sizeof(*parser.template));
	parser.source = parser.at = arena_strdup(arena, source);
	if (parser.template == NULL || parser.source == NULL)
		return pgripple_error_nomem(err);
	parser.template->source = parser.source;
	/* A part takes at least one byte of the source. */
	parser.template->parts = arena_array(
	    arena, strlen(source) + 1, sizeof(*parser.template->parts));
	if (parser.template->parts == NULL)
		return pgripple_error_nomem(err);
	if (*source == '\0')
		return fail_at(&parser, parser.source, "is empty",
		    "Write a key, as in \"team:{id}\".");
	result = parse_parts(&parser);
	buf_done(&parser.literal);
	if (result == 0)
		*ret_template = parser.template;
	return result;
}

static char
fold(char c, enum template_filter filter)
{
	if (filter == TEMPLATE_FILTER_LOWER && c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if (filter == TEMPLATE_FILTER_UPPER && c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return c;
}

static void
add_value(struct buf *key, const struct template_part *part,
    const struct pgripple_value *value)
{
	if (part->filter == TEMPLATE_FILTER_NONE) {
		buf_add(key, value->text, value->length);
		return;
	}
	for (size_t i = 0; i < value->length; i++)
		buf_add_char(key, fold(value->text[i], part->filter));
}

/* A NULL anywhere means that there is no key, whatever else is unknown. */
static enum template_outcome
look_ahead(const struct template *t, const struct pgripple_value *values)
{
	enum template_outcome outcome = TEMPLATE_DONE;

	for (size_t i = 0; i < t->n_parts; i++) {
		const struct template_part *part = &t->parts[i];

		if (!part->is_column)
			continue;
		if (values[part->column].kind == PGRIPPLE_VALUE_NULL)
			return TEMPLATE_NULL;
		if (values[part->column].kind == PGRIPPLE_VALUE_UNKNOWN)
			outcome = TEMPLATE_UNKNOWN;
	}
	return outcome;
}

enum template_outcome
template_fill(const struct template *t, const struct pgripple_value *values,
    struct buf *key)
{
	enum template_outcome outcome = look_ahead(t, values);

	if (outcome != TEMPLATE_DONE)
		return outcome;
	for (size_t i = 0; i < t->n_parts; i++) {
		const struct template_part *part = &t->parts[i];

		if (part->is_column)
			add_value(key, part, &values[part->column]);
		else
			buf_add(key, part->text, part->length);
	}
	return TEMPLATE_DONE;
}

static void
add_value_escaped(struct buf *pattern, const struct template_part *part,
    const struct pgripple_value *value)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	add_value(&text, part, value);
	pattern->failed |= text.failed;
	glob_escape(pattern, buf_string(&text), text.n);
}

void
template_pattern(const struct template *t, const struct pgripple_value *values,
    struct buf *pattern)
{
	for (size_t i = 0; i < t->n_parts; i++) {
		const struct template_part *part = &t->parts[i];

		if (!part->is_column)
			glob_escape(pattern, part->text, part->length);
		else if (values == NULL ||
			 values[part->column].kind != PGRIPPLE_VALUE_TEXT)
			buf_add_char(pattern, '*');
		else
			add_value_escaped(pattern, part, &values[part->column]);
	}
}

bool
template_is_constant(const struct template *t)
{
	for (size_t i = 0; i < t->n_parts; i++)
		if (t->parts[i].is_column)
			return false;
	return true;
}
