/*
 * The text of a relation: "a.x -> b.y" or "a.(x, y) -> b.(u, v)".  A column
 * with other characters than letters, digits and underscores stands in double
 * quotes, a quote in it doubled.
 */
#include "core/graph_spec.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

struct cursor {
	struct loader *l;
	const struct node *node;
	const char *text;
	const char *at;
};

static struct pgripple_position
place(const struct cursor *c, const char *at)
{
	return node_place(c->node, (size_t)(at - c->text));
}

static struct pgripple_error *
fail(struct cursor *c, const char *at, const char *what)
{
	return loader_add(
	    c->l, place(c, at), "relation \"%.200s\" %s", c->text, what);
}

static void
skip_blanks(struct cursor *c)
{
	while (*c->at == ' ' || *c->at == '\t' || *c->at == '\n')
		c->at++;
}

static bool
is_word(char ch)
{
	return isalnum((unsigned char)ch) || ch == '_';
}

static bool
copy_word(struct cursor *c, const char *start, size_t n, struct word *word)
{
	word->at = place(c, start);
	word->text = arena_copy(c->l->scratch, start, n);
	if (word->text == NULL)
		c->l->out_of_memory = true;
	return word->text != NULL;
}

static bool
parse_quoted(struct cursor *c, struct word *word)
{
	CLEANUP(buf_done) struct buf name = BUF_INIT;
	const char *start = c->at++;

	for (; *c->at != '\0'; c->at++) {
		if (*c->at == '"' && *++c->at != '"')
			break;
		buf_add_char(&name, *c->at);
	}
	if (c->at[-1] != '"' || c->at - start < 2) {
		pgripple_error_hint(fail(c, start, "has a quote without end"),
		    "Close it with a double quote.");
		return false;
	}
	if (name.failed) {
		c->l->out_of_memory = true;
		return false;
	}
	if (name.n == 0) {
		fail(c, start, "has an empty column name");
		return false;
	}
	if (!copy_word(c, buf_string(&name), name.n, word))
		return false;
	word->at = place(c, start);
	return true;
}

static bool
parse_word(struct cursor *c, const char *what, struct word *word)
{
	const char *start = c->at;
	char text[64];

	if (*start == '"')
		return parse_quoted(c, word);
	while (is_word(*c->at))
		c->at++;
	if (c->at != start)
		return copy_word(c, start, (size_t)(c->at - start), word);
	(void)snprintf(text, sizeof(text), "lacks %s here", what);
	pgripple_error_hint(fail(c, start, text),
	    "Write it as \"changed.column -> dependent.column\".");
	return false;
}

static bool
add_column(struct cursor *c, struct words *columns)
{
	if (columns->n == PGRIPPLE_MAX_MATCH) {
		char text[64];

		(void)snprintf(text, sizeof(text),
		    "matches more than %d columns", PGRIPPLE_MAX_MATCH);
		fail(c, c->at, text);
		return false;
	}
	if (!parse_word(c, "a column", &columns->items[columns->n]))
		return false;
	columns->n++;
	return true;
}

/* "(x, y)"; at stands on the parenthesis. */
static bool
parse_column_list(struct cursor *c, struct words *columns)
{
	const char *open = c->at++;

	for (;;) {
		skip_blanks(c);
		if (!add_column(c, columns))
			return false;
		skip_blanks(c);
		if (*c->at == ')')
			break;
		if (*c->at != ',') {
			pgripple_error_hint(
			    fail(c, *c->at == '\0' ? open : c->at,
				"has a list of columns without end"),
			    "Write columns with commas between: (x, y).");
			return false;
		}
		c->at++;
	}
	c->at++;
	return true;
}

static bool
parse_side(struct cursor *c, struct spec_side *side)
{
	side->columns.items = loader_array(
	    c->l, PGRIPPLE_MAX_MATCH, sizeof(*side->columns.items));
	if (side->columns.items == NULL)
		return false;
	skip_blanks(c);
	if (!parse_word(c, "a model", &side->model))
		return false;
	if (*c->at != '.') {
		char text[120];

		(void)snprintf(text, sizeof(text),
		    "names no column of \"%.60s\"", side->model.text);
		pgripple_error_hint(fail(c, c->at, text),
		    "Write \"%s.id\", "
		    "say.",
		    side->model.text);
		return false;
	}
	c->at++;
	if (*c->at == '(')
		return parse_column_list(c, &side->columns);
	return add_column(c, &side->columns);
}

/* What is wrong as a whole, before anything else. */
static bool
check_arrows(struct cursor *c)
{
	const char *arrow = strstr(c->text, "->");
	const char *second = arrow == NULL ? NULL : strstr(arrow + 2, "->");
	const char *brace = strchr(c->text, '{');

	if (arrow == NULL) {
		pgripple_error_hint(fail(c, c->text, "has no \"->\""),
		    "Write it as \"changed.column -> dependent.column\".");
		return false;
	}
	if (second != NULL) {
		pgripple_error_hint(fail(c, second, "has two arrows"),
		    "Each relation is an item of its own and begins with a "
		    "dash.");
		return false;
	}
	if (brace != NULL && brace > c->text && brace[-1] == ':') {
		pgripple_error_hint(
		    fail(c, brace, "lacks a space after its colon"),
		    "Write \"a.x -> b.y: { option: value }\".");
		return false;
	}
	return true;
}

static bool
check_end(struct cursor *c)
{
	skip_blanks(c);
	if (*c->at == '\0')
		return true;
	if (*c->at == ':')
		pgripple_error_hint(
		    fail(c, c->at, "lacks a space after its colon"),
		    "Write \"a.x -> b.y: { option: value }\".");
	else
		pgripple_error_hint(fail(c, c->at, "goes on after its end"),
		    "Options follow a colon; columns with special characters "
		    "stand in double quotes.");
	return false;
}

void
relation_parse(
    struct loader *l, const struct node *node, struct spec_relation *relation)
{
	struct cursor c = {l, node, node->text, node->text};

	relation->text = node_word(node);
	if (!check_arrows(&c) || !parse_side(&c, &relation->from))
		return;
	skip_blanks(&c);
	if (strncmp(c.at, "->", 2) != 0) {
		pgripple_error_hint(
		    fail(&c, c.at, "has something else before the \"->\""),
		    "Several columns are written as \"a.(x, y)\"; columns "
		    "with special characters stand in double quotes.");
		return;
	}
	c.at += 2;
	if (!parse_side(&c, &relation->to) || !check_end(&c))
		return;
	if (relation->from.columns.n != relation->to.columns.n) {
		pgripple_error_hint(
		    loader_add(l, relation->to.columns.items[0].at,
			"relation \"%.200s\" does not match as many columns on "
			"both "
			"sides (%zu and %zu)",
			c.text, relation->from.columns.n,
			relation->to.columns.n),
		    "Both sides name the same number of columns.");
		return;
	}
	relation->parsed = true;
}
