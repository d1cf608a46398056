/*
 * Reading maps, lists and text out of the nodes of a graph.yaml, with an
 * answer to every way of getting them wrong.
 */
#include "core/graph_spec.h"

#include <stdio.h>
#include <string.h>

#include "base/closest.h"

void *
loader_array(struct loader *l, size_t n, size_t size)
{
	void *memory = arena_array(l->scratch, n, size);

	if (memory == NULL)
		l->out_of_memory = true;
	return memory;
}

char *
loader_printf(struct loader *l, const char *format, ...)
{
	char text[256];
	va_list args;
	char *copy;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	copy = arena_strdup(l->scratch, text);
	if (copy == NULL)
		l->out_of_memory = true;
	return copy;
}

struct pgripple_error *
loader_add(
    struct loader *l, struct pgripple_position at, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return pgripple_errors_add(l->errors, at, "%s", text);
}

struct pgripple_error *
loader_add_kind(struct loader *l, const struct node *node, const char *what,
    const char *expected)
{
	if (node->kind == NODE_NULL)
		return loader_add(l, node->at, "%s has no value: it must be %s",
		    what, expected);
	return loader_add(l, node->at, "%s must be %s, not %s", what, expected,
	    node_kind_name(node->kind));
}

struct pgripple_position
node_place(const struct node *node, size_t offset)
{
	struct pgripple_position at = node->at;

	if (node->verbatim)
		at.column += (int)offset + node->quoted;
	return at;
}

struct word
node_word(const struct node *node)
{
	return (struct word){node->text, node->at};
}

/* Where a known key belongs, for those who put it elsewhere. */
static const char *
home_of(const char *key)
{
	static const struct {
		const char *key;
		const char *home;
	} homes[] = {
	    {"models", "the top level"},
	    {"relations", "the top level"},
	    {"table", "a model"},
	    {"ignore", "a model"},
	    {"invalidate", "a model"},
	    {"whole_model", "a model"},
	    {"transitive", "a relation"},
	    {"name", "a relation"},
	    {"own_change_only", "a rule"},
	    {"repeat_after", "a rule"},
	    {"prefix", "\"cacheops: { ... }\""},
	    {"layout", "\"cacheops: { ... }\""},
	    {"columns", "\"cacheops: { ... }\""},
	    {"kinds", "\"cacheops: { ... }\""},
	    {"joins", "\"cacheops: { ... }\""},
	    {"also", "\"cacheops: { ... }\""},
	    {"target", "a rule"},
	    {"changed", "a rule or a relation"},
	    {"ops", "a rule or a relation"},
	    {"where", "a rule or a relation"},
	    {"enabled", "a rule or a relation"},
	};

	for (size_t i = 0; i < N_ELEMENTS(homes); i++)
		if (strcmp(homes[i].key, key) == 0)
			return homes[i].home;
	return is_key_rule_kind(key) ? "a rule" : NULL;
}

static void
hint_known(struct loader *l, struct pgripple_error *e,
    const struct field *fields, size_t n_fields)
{
	char list[200] = "";
	size_t n = 0;

	(void)l;
	for (size_t i = 0; i < n_fields && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
		    i == 0 ? "" : ", ", fields[i].name);
	pgripple_error_hint(e, "Known here: %s.", list);
}

static void
add_unknown(struct loader *l, const struct node *value, const char *what,
    const struct field *fields, size_t n_fields)
{
	const char *key = value->key->text;
	const char **names = loader_array(l, n_fields, sizeof(*names));
	const char *near, *home = home_of(key);
	struct pgripple_error *e;

	e = loader_add(
	    l, value->key->at, "unknown key \"%.80s\" in %s", key, what);
	if (names == NULL)
		return;
	for (size_t i = 0; i < n_fields; i++)
		names[i] = fields[i].name;
	near = closest(key, names, n_fields);
	if (home != NULL)
		pgripple_error_hint(e, "\"%s\" belongs to %s.", key, home);
	else if (near != NULL)
		pgripple_error_hint(e, "Did you mean \"%s\"?", near);
	else if (strstr(key, "->") != NULL)
		pgripple_error_hint(
		    e, "Relations are items of the list \"relations\".");
	else
		hint_known(l, e, fields, n_fields);
}

void
read_fields(struct loader *l, const struct node *map, const char *what,
    const struct field *fields, size_t n_fields, void *object)
{
	for (size_t i = 0; i < map->n_children; i++) {
		const struct node *value = &map->children[i];
		size_t f = 0;

		while (f < n_fields &&
		       strcmp(fields[f].name, value->key->text) != 0)
			f++;
		if (f < n_fields)
			fields[f].read(l, value, object);
		else
			add_unknown(l, value, what, fields, n_fields);
	}
}

/* "entry \"table\"", or "the item" of a list. */
static const char *
describe(struct loader *l, const struct node *value)
{
	const char *text = "the item";

	if (value->key != NULL)
		text = loader_printf(l, "\"%.80s\"", value->key->text);
	return text != NULL ? text : "it";
}

/* {id} without quotes is a map with a key and no value. */
static bool
is_bare_braces(const struct node *value)
{
	return value->kind == NODE_MAP && value->flow &&
	       value->n_children == 1 && value->children[0].kind == NODE_NULL;
}

bool
read_text(struct loader *l, const struct node *value, struct word *ret_word)
{
	struct pgripple_error *e;

	if (value->kind == NODE_SCALAR) {
		*ret_word = node_word(value);
		return true;
	}
	if (is_bare_braces(value)) {
		const char *name = value->children[0].key->text;

		e = loader_add(l, value->at,
		    "{%.80s} without quotes is a YAML map, not text", name);
		pgripple_error_hint(
		    e, "Write \"{%.80s}\" with the quotes.", name);
		return false;
	}
	e = loader_add_kind(l, value, describe(l, value), "text");
	if (value->kind == NODE_NULL)
		pgripple_error_hint(e,
		    "Text such as null must be in quotes; so must text that "
		    "begins with \"#\".");
	else
		pgripple_error_hint(
		    e, "Text with braces or brackets must be in quotes.");
	return false;
}

bool
read_flag(struct loader *l, const struct node *value, bool *ret_flag)
{
	struct pgripple_error *e;

	if (value->kind == NODE_SCALAR && strcmp(value->text, "true") == 0) {
		*ret_flag = true;
		return true;
	}
	if (value->kind == NODE_SCALAR && strcmp(value->text, "false") == 0) {
		*ret_flag = false;
		return true;
	}
	if (value->kind == NODE_SCALAR)
		e = loader_add(l, value->at,
		    "%s must be true or false, not \"%.80s\"",
		    describe(l, value), value->text);
	else
		e = loader_add(l, value->at, "%s must be true or false, not %s",
		    describe(l, value), node_kind_name(value->kind));
	pgripple_error_hint(e, "Write true or false.");
	return false;
}

/* A list was expected. */
static void
add_no_list(struct loader *l, const struct node *value)
{
	struct pgripple_error *e;

	e = loader_add_kind(l, value, describe(l, value), "a list");
	if (value->kind != NODE_SCALAR)
		pgripple_error_hint(
		    e, "Begin each item with a dash, or put all in [ ].");
	else if (strncmp(value->text, "-", 1) == 0)
		pgripple_error_hint(
		    e, "Write a space after the dash of each item.");
	else if (strpbrk(value->text, "{}[],:*&!#\"'") != NULL)
		pgripple_error_hint(e, "Write [\"%.100s\"].", value->text);
	else
		pgripple_error_hint(e, "Write [%.100s].", value->text);
}

bool
read_words(struct loader *l, const struct node *value, struct words *ret)
{
	struct words words = {0};

	if (value->kind != NODE_LIST) {
		add_no_list(l, value);
		return false;
	}
	words.items = loader_array(l, value->n_children, sizeof(*words.items));
	if (words.items == NULL)
		return false;
	for (size_t i = 0; i < value->n_children; i++)
		if (read_text(l, &value->children[i], &words.items[words.n]))
			words.n++;
	*ret = words;
	return true;
}
