/*
 * What a YAML syntax error means.  libyaml tells where it was lost, which is
 * often a line after the slip; here the text around the place is looked at and
 * the slip itself is named: a missing space after a colon, a forgotten dash,
 * a template without quotes.
 */
#include "config/yaml_source.h"

#include <ctype.h>
#include <string.h>

/* A piece of a line. */
struct piece {
	const char *text;
	size_t n;
	size_t offset; /* in the source */
};

#define PIECE(p) (int)((p).n < 80 ? (p).n : 80), (p).text

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static struct piece
piece_of(const struct yaml_source *source, const char *text, size_t n)
{
	while (n > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		n--;
	}
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	return (struct piece){text, n, (size_t)(text - source->text)};
}

/* A line without the blanks around it. */
static struct piece
line_of(const struct yaml_source *source, size_t line)
{
	size_t n;
	const char *text = yaml_source_line(source, line, &n);

	if (line >= source->n_lines)
		return (struct piece){"", 0, source->length};
	return piece_of(source, text, n);
}

/* The part of the mark's line before the mark. */
static struct piece
before(const struct yaml_source *source, const yaml_mark_t *mark)
{
	size_t n, offset = yaml_source_offset(source, mark);
	const char *text = yaml_source_line(source, mark->line, &n);

	if (mark->line >= source->n_lines)
		return (struct piece){"", 0, source->length};
	return piece_of(source, text, offset - (size_t)(text - source->text));
}

/* The last line before this one that holds something. */
static struct piece
line_above(const struct yaml_source *source, size_t line)
{
	struct piece p = {"", 0, 0};

	while (line-- > 0) {
		p = line_of(source, line);
		if (p.n != 0 && *p.text != '#')
			break;
	}
	return p;
}

/* Takes "- " off the front. */
static struct piece
without_dash(const struct yaml_source *source, struct piece p)
{
	while (p.n >= 2 && p.text[0] == '-' && p.text[1] == ' ')
		p = piece_of(source, p.text + 1, p.n - 1);
	return p;
}

static bool
contains(struct piece p, const char *what)
{
	return memmem(p.text, p.n, what, strlen(what)) != NULL;
}

/* "word:value": the length of the word, else 0. */
static size_t
unspaced_key(struct piece p)
{
	size_t n = 0;

	while (n < p.n && is_word(p.text[n]))
		n++;
	if (n == 0 || n + 1 >= p.n || p.text[n] != ':' ||
	    strchr(" \t/", p.text[n + 1]) != NULL)
		return 0;
	return n;
}

/* "word: ..." or "word:" at the end: the length of the word, else 0. */
static size_t
spaced_key(struct piece p)
{
	size_t n = 0;

	while (n < p.n && is_word(p.text[n]))
		n++;
	if (n == 0 || n >= p.n || p.text[n] != ':' ||
	    (n + 1 < p.n && p.text[n + 1] != ' '))
		return 0;
	return n;
}

static struct pgripple_error *
add(const struct yaml_source *source, struct pgripple_errors *errors,
    size_t offset, const char *text)
{
	return pgripple_errors_add(
	    errors, yaml_source_place(source, offset), "%s", text);
}

static bool
missing_space(const struct yaml_source *source, struct piece p,
    struct pgripple_errors *errors)
{
	size_t n = unspaced_key(p);

	if (n == 0)
		return false;
	pgripple_error_hint(
	    pgripple_errors_add(errors, yaml_source_place(source, p.offset + n),
		"a space is missing after the colon in \"%.*s\"", PIECE(p)),
	    "Write \"%.*s: %.*s\".", (int)n, p.text, (int)(p.n - n - 1),
	    p.text + n + 1);
	return true;
}

/* A colon where no key can be. */
static void
explain_colon(const struct yaml_source *source, const yaml_mark_t *mark,
    struct pgripple_errors *errors)
{
	struct piece here = without_dash(source, before(source, mark));
	struct piece above = line_above(source, mark->line);
	bool item = above.n > 0 && *above.text == '-';

	above = without_dash(source, above);
	if (spaced_key(here) != 0 || *here.text == '"' || *here.text == '\'') {
		pgripple_error_hint(
		    pgripple_errors_add(errors,
			yaml_source_position(source, mark),
			"a second colon in \"%.*s:\" makes no sense here",
			PIECE(here)),
		    "Put text that contains a colon and a space in quotes.");
		return;
	}
	if (missing_space(source, above, errors))
		return;
	if (item && contains(above, "->")) {
		pgripple_error_hint(
		    pgripple_errors_add(errors,
			yaml_source_place(source, above.offset + above.n),
			"a colon is missing after \"%.*s\"", PIECE(above)),
		    "Options of a relation follow a colon: "
		    "\"- %.*s: { %.*s: ... }\".",
		    PIECE(above), PIECE(here));
		return;
	}
	pgripple_error_hint(
	    pgripple_errors_add(errors, yaml_source_place(source, here.offset),
		"\"%.*s\" is indented further than its neighbours",
		PIECE(here)),
	    "Keys that belong together begin in the same column.");
}

/* A line that should have been a key, but has no colon. */
static void
explain_no_colon(const struct yaml_source *source, const yaml_mark_t *mark,
    struct pgripple_errors *errors)
{
	struct piece here = line_of(source, mark->line);
	struct pgripple_error *e;
	const char *quote;

	if (here.n >= 2 && here.text[0] == '-' && here.text[1] != ' ') {
		e = add(source, errors, here.offset,
		    "a space is missing after the dash");
		pgripple_error_hint(
		    e, "Write \"- %.*s\".", (int)here.n - 1, here.text + 1);
		return;
	}
	if (missing_space(source, without_dash(source, here), errors))
		return;
	quote = *here.text == '"' || *here.text == '\'' ? "" : "\"";
	e = pgripple_errors_add(errors, yaml_source_place(source, here.offset),
	    "%s%.*s%s is neither a key nor an item of a list", quote,
	    PIECE(here), quote);
	if (contains(here, "->") || *quote == '\0')
		pgripple_error_hint(e, "Begin the item with a dash: \"- \".");
	else
		pgripple_error_hint(
		    e, "Write \"key: value\", or begin an item with a dash.");
}

/* "team:{id}" within [ ] or { }. */
static void
explain_flow_colon(const struct yaml_source *source,
    const yaml_parser_t *parser, struct pgripple_errors *errors)
{
	size_t start = yaml_source_offset(source, &parser->context_mark);
	const char *s = source->text + start;
	size_t left = source->length - start, n = 0, key;
	int depth = 0;
	struct piece p;

	while (n < left && strchr("\n\r,", s[n]) == NULL &&
	       (depth > 0 || strchr("]}", s[n]) == NULL)) {
		depth += strchr("[{", s[n]) != NULL;
		depth -= strchr("]}", s[n]) != NULL;
		n++;
	}
	p = piece_of(source, s, n);
	if (contains(p, "->")) {
		pgripple_error_hint(
		    add(source, errors,
			yaml_source_offset(source, &parser->problem_mark),
			"a space is missing after the colon of a relation"),
		    "Write \"a.x -> b.y: { option: value }\".");
		return;
	}
	key = unspaced_key(p);
	if (key != 0 && p.text[key + 1] != '{') {
		(void)missing_space(source, p, errors);
		return;
	}
	pgripple_error_hint(
	    add(source, errors, start,
		"a template inside [ ] or { } must be in quotes"),
	    "Write \"%.*s\" with the quotes.", PIECE(p));
}

/* A token that fits neither the list nor the map around it. */
static void
explain_misfit(const struct yaml_source *source, const yaml_parser_t *parser,
    bool in_list, struct pgripple_errors *errors)
{
	const yaml_mark_t *mark = &parser->problem_mark;
	size_t offset = yaml_source_offset(source, mark);
	struct piece front = before(source, mark);
	struct piece here = line_of(source, mark->line);
	struct pgripple_error *e;
	size_t n;

	front = without_dash(source, front);
	if (front.n > 0) {
		e = add(source, errors, offset,
		    "text goes on after the value has ended");
		pgripple_error_hint(
		    e, "Put the whole text, braces included, in quotes.");
		return;
	}
	if (*here.text == ':') {
		add(source, errors, offset, "there is no key before the colon");
		return;
	}
	n = spaced_key(here);
	if (in_list && n > 0) {
		e = pgripple_errors_add(errors,
		    yaml_source_place(source, offset),
		    "\"%.*s\" stands beside the items of the list above "
		    "rather than inside one",
		    (int)n, here.text);
		pgripple_error_hint(e,
		    "Indent it as far as the item's own keys, or as far as "
		    "the list's key if it belongs there.");
		return;
	}
	if (*here.text == '-') {
		e = add(source, errors, offset,
		    "an item of a list stands among the keys of a map");
		pgripple_error_hint(
		    e, "Indent it under the key whose list it belongs to.");
		return;
	}
	e = add(source, errors, offset,
	    "this line is indented like nothing above it");
	pgripple_error_hint(
	    e, "Keys that belong together begin in the same column.");
}

/* An alias or anchor without a name: mostly a glob pattern. */
static void
explain_sigil(const struct yaml_source *source, const yaml_mark_t *mark,
    struct pgripple_errors *errors)
{
	size_t offset = yaml_source_offset(source, mark);

	if (offset < source->length && source->text[offset] == '\t') {
		pgripple_error_hint(add(source, errors, offset,
					"a tab cannot be used to indent"),
		    "Indent with spaces.");
		return;
	}
	pgripple_error_hint(
	    pgripple_errors_add(errors, yaml_source_place(source, offset),
		"text that begins with \"%c\" must be in quotes",
		offset < source->length ? source->text[offset] : '?'),
	    "Without quotes YAML gives it a meaning of its own.");
}

/* A bracket or brace that is not closed, or two items without a comma. */
static void
explain_unclosed(const struct yaml_source *source, const yaml_parser_t *parser,
    char bracket, struct pgripple_errors *errors)
{
	pgripple_error_hint(
	    pgripple_errors_add(errors,
		yaml_source_position(source, &parser->problem_mark),
		"\",\" or \"%c\" is missing", bracket),
	    "The %s began at line %zu; text with special characters must be "
	    "in quotes.",
	    bracket == ']' ? "list in brackets" : "map in braces",
	    parser->context_mark.line + 1);
}

static void
explain_other(const struct yaml_source *source, const yaml_parser_t *parser,
    struct pgripple_errors *errors)
{
	const char *problem =
	    parser->problem != NULL ? parser->problem : "unknown problem";
	const char *context = parser->context != NULL ? parser->context : "";

	pgripple_errors_add(errors,
	    yaml_source_position(source, &parser->problem_mark),
	    "not valid YAML: %s%s%s", problem, *context != '\0' ? " " : "",
	    context);
}

/* What has only one meaning. */
static bool
explain_plainly(const struct yaml_source *source, const yaml_parser_t *parser,
    struct pgripple_errors *errors)
{
	static const struct {
		const char *problem;
		const char *text;
		const char *hint;
		bool at_context;
	} plain[] = {
	    {"found unexpected end of stream", "a quote is not closed",
		"Every quoted text ends with the quote it began with.", true},
	    {"found unknown escape character",
		"unknown escape after a backslash in double quotes",
		"Write two backslashes for one, or use single quotes.", false},
	    {"block sequence entries are not allowed in this context",
		"a list with dashes cannot begin behind a colon",
		"Begin its first item in a line of its own, or put all in [ ].",
		false},
	    {"did not find expected comment or line break",
		"text that begins with \"|\" or \">\" must be in quotes",
		"Without quotes YAML gives it a meaning of its own.", true},
	    {"did not find expected node content", "a value is missing here",
		"Text that begins with a special character must be in quotes.",
		false},
	    {"did not find expected <document start>",
		"the file goes on after its end",
		"One file holds one document: remove the \"...\" line.", false},
	    {"found undefined tag handle",
		"a YAML tag (\"!\") is not supported",
		"Put text that begins with \"!\" in quotes.", false},
	};

	for (size_t i = 0; i < N_ELEMENTS(plain); i++) {
		const yaml_mark_t *mark = plain[i].at_context
					      ? &parser->context_mark
					      : &parser->problem_mark;

		if (strcmp(parser->problem, plain[i].problem) != 0)
			continue;
		pgripple_error_hint(
		    add(source, errors, yaml_source_offset(source, mark),
			plain[i].text),
		    "%s", plain[i].hint);
		return true;
	}
	return false;
}

void
yaml_explain(const struct yaml_source *source, const yaml_parser_t *parser,
    struct pgripple_errors *errors)
{
	const char *problem = parser->problem != NULL ? parser->problem : "";
	const char *context = parser->context != NULL ? parser->context : "";

	if (strstr(problem, "mapping values are not allowed") != NULL)
		explain_colon(source, &parser->problem_mark, errors);
	else if (strcmp(problem, "could not find expected ':'") == 0)
		explain_no_colon(source, &parser->context_mark, errors);
	else if (strcmp(problem, "found unexpected ':'") == 0)
		explain_flow_colon(source, parser, errors);
	else if (strcmp(problem, "did not find expected '-' indicator") == 0)
		explain_misfit(source, parser, true, errors);
	else if (strcmp(problem, "did not find expected key") == 0)
		explain_misfit(source, parser, false, errors);
	else if (strcmp(problem, "did not find expected ',' or ']'") == 0)
		explain_unclosed(source, parser, ']', errors);
	else if (strcmp(problem, "did not find expected ',' or '}'") == 0)
		explain_unclosed(source, parser, '}', errors);
	else if (strstr(problem, "cannot start any token") != NULL)
		explain_sigil(source, &parser->problem_mark, errors);
	else if (strstr(context, "scanning an alias") != NULL ||
		 strstr(context, "scanning an anchor") != NULL)
		explain_sigil(source, &parser->context_mark, errors);
	else if (!explain_plainly(source, parser, errors))
		explain_other(source, parser, errors);
}
