/*
 * Templates: parsing, filling in, and the pattern of all their keys.
 */
#include "core/template.h"

#include <string.h>

#include <pgripple/change.h>

#include "base/arena.h"
#include "base/glob.h"

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

/* "('text')", with a doubled quote for a quote. */
static int
parse_argument(struct parser *parser, struct filter *filter)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	const char *start = parser->at;

	if (strncmp(parser->at, "('", 2) != 0)
		return fail_at(parser, start, "has a filter without its text",
		    "Write default('text').");
	for (parser->at += 2;; parser->at++) {
		if (*parser->at == '\0')
			return fail_at(parser, start,
			    "has a quoted text without end",
			    "Close it with a single quote; one inside is "
			    "written twice.");
		if (*parser->at == '\'' && *++parser->at != '\'')
			break;
		buf_add_char(&text, *parser->at);
	}
	if (*parser->at != ')')
		return fail_at(parser, start, "has a parenthesis without end",
		    "Write default('text').");
	parser->at++;
	filter->text = arena_copy(parser->arena, buf_string(&text), text.n);
	filter->length = text.n;
	return text.failed || filter->text == NULL
		   ? pgripple_error_nomem(parser->err)
		   : 0;
}

static int
parse_filter(struct parser *parser, struct filter *filter)
{
	const char *start = parser->at;

	parser->at += strcspn(start, "|{}\"(");
	if (!filter_find(start, (size_t)(parser->at - start), &filter->kind))
		return fail_at(parser, start, "names an unknown filter",
		    "Filters are lower, upper, url, md5, sha1 and "
		    "default('text').");
	if (filter->kind == FILTER_DEFAULT)
		return parse_argument(parser, filter);
	if (*parser->at == '(')
		return fail_at(parser, parser->at,
		    "gives a text to a filter that takes none",
		    "Only default('text') has one.");
	return 0;
}

/* "|filter|filter"; at stands behind the name. */
static int
parse_filters(struct parser *parser, struct template_part *part)
{
	size_t n = 0;

	for (const char *c = parser->at; *c != '\0'; c++)
		n += *c == '|'; /* or more, which does no harm */
	if (n == 0 || *parser->at != '|')
		return 0;
	part->filters = arena_array(parser->arena, n, sizeof(*part->filters));
	if (part->filters == NULL)
		return pgripple_error_nomem(parser->err);
	while (*parser->at == '|') {
		parser->at++;
		if (parse_filter(parser, &part->filters[part->n_filters]) < 0)
			return -1;
		part->n_filters++;
	}
	return 0;
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
	CLEANUP(buf_done) struct buf name = BUF_INIT;
	struct template_part *part;

	if (end_literal(parser) < 0 || parse_name(parser, &name) < 0)
		return -1;
	part = add_part(parser, name.bytes, name.n);
	if (part == NULL)
		return pgripple_error_nomem(parser->err);
	part->is_column = true;
	part->offset = (size_t)(open - parser->source) + 1;
	if (parse_filters(parser, part) < 0)
		return -1;
	if (*parser->at != '}')
		return fail_at(parser, open, "has a brace without end",
		    "Close the placeholder with \"}\"; a literal brace is "
		    "written twice.");
	parser->at++;
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

static enum pgripple_value_kind
judge_value(
    const struct template_part *part, const struct pgripple_value *value)
{
	if (value->kind == PGRIPPLE_VALUE_NULL &&
	    filter_default(part->filters, part->n_filters) != NULL)
		return PGRIPPLE_VALUE_TEXT;
	return value->kind;
}

/* Of a value, or of a NULL that has a default. */
static void
add_value(struct buf *key, const struct template_part *part,
    const struct pgripple_value *value)
{
	const struct filter *filter;

	if (value->kind == PGRIPPLE_VALUE_TEXT) {
		filter_apply(part->filters, part->n_filters, value->text,
		    value->length, key);
		return;
	}
	filter = filter_default(part->filters, part->n_filters);
	filter_apply(filter, part->n_filters - (size_t)(filter - part->filters),
	    filter->text, filter->length, key);
}

/* A NULL anywhere means that there is no key, whatever else is unknown. */
enum template_outcome
template_judge(const struct template *t, const struct pgripple_value *values)
{
	enum template_outcome outcome = TEMPLATE_DONE;

	for (size_t i = 0; i < t->n_parts; i++) {
		const struct template_part *part = &t->parts[i];

		if (!part->is_column)
			continue;
		switch (judge_value(part, &values[part->column])) {
		case PGRIPPLE_VALUE_NULL:
			return TEMPLATE_NULL;
		case PGRIPPLE_VALUE_UNKNOWN:
			outcome = TEMPLATE_UNKNOWN;
			break;
		case PGRIPPLE_VALUE_TEXT:
			break;
		}
	}
	return outcome;
}

enum template_outcome
template_fill(const struct template *t, const struct pgripple_value *values,
    struct buf *key)
{
	enum template_outcome outcome = template_judge(t, values);

	if (outcome == TEMPLATE_DONE)
		template_fill_wide(t, values, key);
	return outcome;
}

static bool
is_known(const struct template_part *part, const struct pgripple_value *values)
{
	return values != NULL &&
	       judge_value(part, &values[part->column]) == PGRIPPLE_VALUE_TEXT;
}

void
template_fill_wide(const struct template *t,
    const struct pgripple_value *values, struct buf *text)
{
	for (size_t i = 0; i < t->n_parts; i++) {
		const struct template_part *part = &t->parts[i];

		if (!part->is_column)
			buf_add(text, part->text, part->length);
		else if (is_known(part, values))
			add_value(text, part, &values[part->column]);
		else
			buf_add_char(text, '*');
	}
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

static void
add_column_pattern(struct buf *pattern, const struct template_part *part,
    const struct pgripple_value *values)
{
	if (is_known(part, values))
		add_value_escaped(pattern, part, &values[part->column]);
	else
		buf_add_char(pattern, '*');
}

void
template_pattern(const struct template *t, const struct pgripple_value *values,
    struct buf *pattern)
{
	for (size_t i = 0; i < t->n_parts; i++) {
		const struct template_part *part = &t->parts[i];

		if (part->is_column)
			add_column_pattern(pattern, part, values);
		else
			glob_escape(pattern, part->text, part->length);
	}
}

void
template_fill_glob(const struct template *t,
    const struct pgripple_value *values, struct buf *pattern)
{
	for (size_t i = 0; i < t->n_parts; i++) {
		const struct template_part *part = &t->parts[i];

		if (part->is_column)
			add_column_pattern(pattern, part, values);
		else
			buf_add(pattern, part->text, part->length);
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
