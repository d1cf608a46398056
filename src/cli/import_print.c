/*
 * The graph.yaml of an import.  All of its relations are comments that begin
 * with "#" in the first column, so that one keystroke makes them count.
 */
#include "cli/import.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <pgripple/graph.h>

#include "base/buf.h"
#include "base/ident.h"
#include "base/map.h"

struct printer {
	const struct import *import;
	struct buf *buf;
	struct map seen; /* relations */
	struct buf *texts; /* that the map borrows; one for each */
	size_t n_texts;
	bool failed;
};

static bool
is_word(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && *text != '_')
			return false;
	return true;
}

/* A YAML scalar in quotes: single ones, in which only the quote itself means
 * something, unless there are control characters. */
static void
add_quoted(struct buf *buf, const char *text)
{
	bool plain = true;

	for (const char *c = text; *c != '\0'; c++)
		plain &= (unsigned char)*c >= 0x20 && *c != 0x7f;
	buf_add_char(buf, plain ? '\'' : '"');
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			buf_printf(buf, "\\x%02x", (unsigned)*c);
		else if (plain ? *c == '\'' : (*c == '"' || *c == '\\'))
			buf_printf(buf, "%c%c", plain ? *c : '\\', *c);
		else
			buf_add_char(buf, *c);
	buf_add_char(buf, plain ? '\'' : '"');
}

/* A scalar that needs no quotes has none. */
static void
add_scalar(struct buf *buf, const char *text)
{
	static const char *const special[] = {
	    "null", "true", "false", "yes", "no", "on", "off", "y", "n"};
	bool plain = true;

	for (size_t i = 0; i < N_ELEMENTS(special); i++)
		plain &= strcasecmp(special[i], text) != 0;
	for (const char *c = text; *c != '\0'; c++)
		plain &= isalnum((unsigned char)*c) ||
			 strchr("_.(), ->", *c) != NULL;
	if (plain && (isalpha((unsigned char)*text) || *text == '_'))
		buf_add_string(buf, text);
	else
		add_quoted(buf, text);
}

/* A column in a template or in a relation. */
static void
add_column(struct buf *buf, const char *name)
{
	if (is_word(name)) {
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

static void
add_side(
    struct buf *buf, const char *model, const struct import_columns *columns)
{
	buf_printf(buf, "%s.%s", model, columns->n > 1 ? "(" : "");
	for (size_t i = 0; i < columns->n; i++) {
		buf_add_string(buf, i == 0 ? "" : ", ");
		add_column(buf, columns->names[i]);
	}
	buf_add_string(buf, columns->n > 1 ? ")" : "");
}

/* For comments, where names are not quoted. */
static void
add_names(struct buf *buf, const struct import_columns *columns)
{
	for (size_t i = 0; i < columns->n; i++) {
		buf_add_string(buf, i == 0 ? "" : ", ");
		for (const char *c = columns->names[i]; *c != '\0'; c++)
			buf_add_char(buf,
			    (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
	}
}

static void
print_table(struct printer *p, const struct import_table *table)
{
	struct buf text = BUF_INIT;

	if (strcmp(table->schema, "public") != 0) {
		ident_print(&text, table->schema);
		buf_add_char(&text, '.');
	}
	ident_print(&text, table->name);
	buf_add_string(p->buf, "    table: ");
	add_scalar(p->buf, buf_string(&text));
	buf_add_char(p->buf, '\n');
	p->failed |= text.failed;
	buf_done(&text);
}

static void
print_rule(struct printer *p, const struct import_table *table)
{
	struct buf text = BUF_INIT;
	bool plain = true;

	buf_add_string(&text, table->model);
	for (size_t i = 0; i < table->primary_key.n; i++) {
		plain &= is_word(table->primary_key.names[i]);
		buf_add_string(&text, ":{");
		add_column(&text, table->primary_key.names[i]);
		buf_add_char(&text, '}');
	}
	buf_add_string(p->buf, "    invalidate: [");
	if (plain)
		buf_printf(p->buf, "\"%s\"", buf_string(&text));
	else
		add_quoted(p->buf, buf_string(&text));
	buf_add_string(p->buf, "]\n");
	p->failed |= text.failed;
	buf_done(&text);
}

static void
print_model(struct printer *p, const struct import_table *table)
{
	buf_add_string(p->buf, "\n  ");
	add_scalar(p->buf, table->model);
	buf_add_string(p->buf, ":\n");
	print_table(p, table);
	if (table->is_link)
		buf_add_string(
		    p->buf, "    # a link table: it only passes changes on\n");
	else if (table->primary_key.n == 0)
		buf_add_string(
		    p->buf, "    # no primary key: write the keys by hand\n");
	else
		print_rule(p, table);
}

/* Names that the language of relations cannot hold. */
static bool
can_be_written(const struct import_key *key)
{
	if (key->from_columns.n > PGRIPPLE_MAX_MATCH)
		return false;
	for (size_t i = 0; i < key->from_columns.n; i++)
		if (strstr(key->from_columns.names[i], "->") != NULL ||
		    strstr(key->to_columns.names[i], "->") != NULL ||
		    strstr(key->from_columns.names[i], ":{") != NULL ||
		    strstr(key->to_columns.names[i], ":{") != NULL)
			return false;
	return true;
}

/* One relation, unless it stands there already: two foreign keys may have the
 * same columns. */
static void
print_relation(struct printer *p, const struct import_key *key, bool down,
    const char *options)
{
	struct buf *text = &p->texts[p->n_texts++];
	const char *child = p->import->tables[key->from].model;
	const char *parent = p->import->tables[key->to].model;
	void **place;

	add_side(text, down ? parent : child,
	    down ? &key->to_columns : &key->from_columns);
	buf_add_string(text, " -> ");
	add_side(text, down ? child : parent,
	    down ? &key->from_columns : &key->to_columns);
	place = map_put(&p->seen, buf_string(text), text->n);
	if (place == NULL || text->failed) {
		p->failed = true;
		return;
	}
	if (*place != NULL) {
		buf_add_string(p->buf, "  # (it stands above)\n");
		return;
	}
	*place = text;
	buf_add_string(p->buf, "#  - ");
	add_scalar(p->buf, buf_string(text));
	buf_printf(p->buf, "%s\n", options);
}

static void
print_key(struct printer *p, const struct import_key *key)
{
	const char *child = p->import->tables[key->from].model;
	const char *parent = p->import->tables[key->to].model;

	buf_printf(
	    p->buf, "\n  # a changed %s: the %s that its ", child, parent);
	add_names(p->buf, &key->from_columns);
	buf_add_string(
	    p->buf, key->from_columns.n > 1 ? " refer to\n" : " refers to\n");
	if (!can_be_written(key)) {
		buf_add_string(p->buf,
		    "  # (names or number of the columns do not go into a "
		    "relation)\n");
		return;
	}
	print_relation(p, key, false, "");
	buf_printf(p->buf, "  # a changed %s: every %s whose ", parent, child);
	add_names(p->buf, &key->from_columns);
	buf_add_string(p->buf,
	    key->from_columns.n > 1 ? " refer to it\n" : " refers to it\n");
	print_relation(p, key, true, "");
}

/* From one end of a link table to the other. */
static void
print_link(struct printer *p, const struct import_key *near,
    const struct import_key *far)
{
	const struct import_table *tables = p->import->tables;

	buf_printf(p->buf,
	    "  # a changed %s, or link: every %s that %s links it with\n",
	    tables[near->to].model, tables[far->to].model,
	    tables[near->from].model);
	if (!can_be_written(near) || !can_be_written(far)) {
		buf_add_string(p->buf,
		    "  # (names or number of the columns do not go into a "
		    "relation)\n");
		return;
	}
	print_relation(p, near, true, "");
	print_relation(p, far, false, ": { transitive: false }");
}

static void
print_relations(struct printer *p)
{
	const struct import *import = p->import;

	for (size_t i = 0; i < import->n_keys; i++) {
		const struct import_key *key = &import->keys[i];

		if (!import->tables[key->from].is_link) {
			print_key(p, key);
			continue;
		}
		/* Its two keys stand side by side. */
		buf_add_char(p->buf, '\n');
		print_link(p, key, &import->keys[i + 1]);
		print_link(p, &import->keys[i + 1], key);
		i++;
	}
}

static void
print_all(struct printer *p)
{
	buf_printf(p->buf,
	    "# Made by \"pgripple import postgres\" (version %s) from the "
	    "tables "
	    "and\n"
	    "# foreign keys of a database.  What is left to do:\n"
	    "#\n"
	    "# models     Write the keys under which your application caches, "
	    "and take\n"
	    "#            away the models that nothing depends on and that are "
	    "not cached.\n"
	    "# relations  Take away the \"#\" before those that you want.  "
	    "Rarely both\n"
	    "#            directions of one: then a row leads to all its "
	    "siblings, unless\n"
	    "#            one of them has { transitive: false }.\n"
	    "\nmodels:\n",
	    PGRIPPLE_VERSION);
	for (size_t i = 0; i < p->import->n_tables; i++)
		print_model(p, &p->import->tables[i]);
	buf_add_string(p->buf,
	    "\n# \"a.x -> b.y\": when a row of a changes, the rows of b whose "
	    "y equals its x\n# are stale, too.\nrelations:\n");
	print_relations(p);
}

int
import_print(
    const struct import *import, struct buf *buf, struct pgripple_error *err)
{
	struct printer p = {.import = import, .buf = buf, .seen = MAP_INIT};

	p.texts = calloc(2 * import->n_keys + 1, sizeof(*p.texts));
	if (p.texts == NULL)
		return pgripple_error_nomem(err);
	print_all(&p);
	map_done(&p.seen);
	for (size_t i = 0; i < p.n_texts; i++)
		buf_done(&p.texts[i]);
	free(p.texts);
	return p.failed || buf->failed ? pgripple_error_nomem(err) : 0;
}
