/*
 * Rules "cacheops": their options, what becomes of them, and the columns that
 * the catalog adds.
 */
#include "core/graph_spec.h"

#include <string.h>

#include "base/buf.h"
#include "base/closest.h"
#include "core/cacheops.h"

/* Options. */

static struct spec_template *
add_prefix(struct spec_cacheops *options)
{
	return &options->prefixes[options->n_prefixes++];
}

/* Also the empty one, which a template cannot be. */
static void
read_prefix(
    struct loader *l, const struct node *node, struct spec_cacheops *options)
{
	struct word word;

	if (!read_text(l, node, &word))
		return;
	if (*word.text != '\0')
		read_template(l, node, add_prefix(options));
	else
		add_prefix(options)->source = word;
}

static void
field_prefix(struct loader *l, const struct node *value, void *object)
{
	struct spec_cacheops *options = object;
	bool is_list = value->kind == NODE_LIST;
	size_t n = is_list ? value->n_children : 1;

	options->prefixes = loader_array(l, n, sizeof(*options->prefixes));
	if (options->prefixes == NULL)
		return;
	if (!is_list)
		read_prefix(l, value, options);
	for (size_t i = 0; is_list && i < n; i++)
		read_prefix(l, &value->children[i], options);
	if (n == 0)
		pgripple_error_hint(
		    loader_add(l, value->at, "\"prefix\" lists no prefix"),
		    "Leave it out if CACHEOPS_PREFIX is not set.");
}

/* One of the names of an enumeration; says what there is. */
static bool
read_choice(struct loader *l, const struct word *word, const char *what,
    const char *const *names, size_t n, int *ret_choice)
{
	CLEANUP(buf_done) struct buf list = BUF_INIT;
	struct pgripple_error *e;
	const char *near;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], word->text) == 0) {
			*ret_choice = (int)i;
			return true;
		}
		buf_printf(&list, "%s%s", i == 0 ? "" : ", ", names[i]);
	}
	e = loader_add(l, word->at, "%s cannot be \"%.80s\"", what, word->text);
	near = closest(word->text, names, n);
	if (near != NULL)
		pgripple_error_hint(e, "Did you mean \"%s\"?", near);
	else
		pgripple_error_hint(e, "Known are: %s.", buf_string(&list));
	return false;
}

static void
field_layout(struct loader *l, const struct node *value, void *object)
{
	struct spec_cacheops *options = object;
	const char *names[CACHEOPS_LAYOUTS];
	struct word word;

	for (int i = 0; i < CACHEOPS_LAYOUTS; i++)
		names[i] = cacheops_layout_name((enum cacheops_layout)i);
	if (read_text(l, value, &word))
		(void)read_choice(l, &word, "\"layout\"", names,
		    CACHEOPS_LAYOUTS, &options->layout);
}

/* What Django's name of a table, or a field, cannot be. */
static bool
check_name(struct loader *l, const struct word *word, const char *what)
{
	if (*word->text != '\0')
		return true;
	loader_add(l, word->at, "%s is empty", what);
	return false;
}

static void
field_table(struct loader *l, const struct node *value, void *object)
{
	struct spec_cacheops *options = object;
	struct word word;

	if (read_text(l, value, &word) && check_name(l, &word, "\"table\""))
		options->table = word;
}

static void
field_also(struct loader *l, const struct node *value, void *object)
{
	struct spec_cacheops *options = object;

	if (!read_words(l, value, &options->also))
		return;
	for (size_t i = 0; i < options->also.n; i++)
		(void)check_name(
		    l, &options->also.items[i], "the name of a table");
}

static void
field_joins(struct loader *l, const struct node *value, void *object)
{
	struct spec_cacheops *options = object;

	options->has_joins = read_words(l, value, &options->joins);
}

static void
read_pairs(struct loader *l, const struct node *value, const char *example,
    struct spec_pairs *ret)
{
	if (value->kind != NODE_MAP) {
		pgripple_error_hint(
		    loader_add(l, value->at,
			"\"%s\" must be a map of columns, not "
			"%s",
			value->key->text, node_kind_name(value->kind)),
		    "Write %s.", example);
		return;
	}
	ret->items = loader_array(l, value->n_children, sizeof(*ret->items));
	if (ret->items == NULL)
		return;
	for (size_t i = 0; i < value->n_children; i++) {
		const struct node *child = &value->children[i];
		struct spec_pair *pair = &ret->items[ret->n];

		pair->column = node_word(child->key);
		ret->n += read_text(l, child, &pair->text);
	}
}

static void
field_columns(struct loader *l, const struct node *value, void *object)
{
	struct spec_cacheops *options = object;

	read_pairs(l, value, "{ column: attname }", &options->attnames);
	for (size_t i = 0; i < options->attnames.n; i++) {
		const struct word *name = &options->attnames.items[i].text;

		if (check_name(l, name, "the name of a field") &&
		    strpbrk(name->text, ",!=") != NULL)
			loader_add(l, name->at,
			    "\"%.80s\" cannot be the name of a field",
			    name->text);
	}
}

static void
field_kinds(struct loader *l, const struct node *value, void *object)
{
	struct spec_cacheops *options = object;
	const char *names[CACHEOPS_KINDS];
	int unused;

	for (int i = 0; i < CACHEOPS_KINDS; i++)
		names[i] = cacheops_kind_name((enum cacheops_kind)i);
	read_pairs(l, value, "{ column: opaque }", &options->kinds);
	for (size_t i = 0; i < options->kinds.n; i++)
		(void)read_choice(l, &options->kinds.items[i].text,
		    "a column's kind", names, CACHEOPS_KINDS, &unused);
}

static const struct field fields[] = {
    {"prefix", field_prefix},
    {"layout", field_layout},
    {"table", field_table},
    {"columns", field_columns},
    {"kinds", field_kinds},
    {"also", field_also},
    {"joins", field_joins},
};

void
read_cacheops(struct loader *l, const struct node *node, struct spec_rule *rule)
{
	static struct spec_template no_prefix = {.source = {.text = ""}};
	struct spec_cacheops *options = loader_array(l, 1, sizeof(*options));

	if (options == NULL)
		return;
	rule->cacheops = options;
	if (node->kind != NODE_MAP) {
		pgripple_error_hint(
		    loader_add_kind(l, node, "\"cacheops\"", "a map"),
		    "Write \"cacheops: {}\", with its options between the "
		    "braces.");
		return;
	}
	read_fields(
	    l, node, "\"cacheops\"", fields, N_ELEMENTS(fields), options);
	if (options->prefixes == NULL) {
		options->prefixes = &no_prefix;
		options->n_prefixes = 1;
	}
}

/* Compiling. */

/* PREFIX "conj:" TABLE ":", where the prefix is a template. */
static int
make_template(struct compiler *c, const char *prefix, const char *table,
    struct template **ret_template)
{
	CLEANUP(buf_done) struct buf source = BUF_INIT;
	struct pgripple_error err;
	const char *copy;

	buf_printf(&source, "%sconj:", prefix);
	for (const char *t = table; *t != '\0'; t++) {
		if (*t == '{' || *t == '}')
			buf_add_char(&source, *t);
		buf_add_char(&source, *t);
	}
	buf_add_char(&source, ':');
	copy =
	    source.failed ? NULL : arena_strdup(c->arena, buf_string(&source));
	/* The prefix was parsed before: there is nothing else to fail. */
	return copy == NULL ||
		       template_parse(c->arena, copy, ret_template, &err) < 0
		   ? -1
		   : 0;
}

static int
add_part(struct compiler *c, struct pgripple_table *table,
    const struct spec_template *prefix, const char *name,
    struct pgripple_rule *rule)
{
	struct template *made;

	if (make_template(c, prefix->source.text, name, &made) < 0)
		return -1;
	if (rule->template == NULL)
		rule->template = made;
	else
		rule->parts[rule->n_parts++].template = made;
	return rule->enabled ? compile_template(c, table, prefix, made, rule)
			     : 0;
}

static int
compile_templates(struct compiler *c, struct pgripple_table *table,
    const struct spec_cacheops *spec, struct pgripple_rule *rule)
{
	size_t n = spec->n_prefixes;

	rule->parts =
	    arena_array(c->arena, n + n * spec->also.n, sizeof(*rule->parts));
	if (rule->parts == NULL)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (add_part(c, table, &spec->prefixes[i],
			rule->cacheops->table, rule) < 0)
			return -1;
	for (size_t i = 0; i < n * spec->also.n; i++)
		if (add_part(c, table, &spec->prefixes[i % n],
			spec->also.items[i / n].text, rule) < 0)
			return -1;
	return 0;
}

/* What is said of the column, so far nothing if it is new. */
static struct cacheops_column *
column_of(struct compiler *c, struct pgripple_table *table,
    struct cacheops *cacheops, const struct word *name)
{
	struct cacheops_column *said;
	size_t column;

	if (compile_column(c, table, name->text, name->at, &column) < 0)
		return NULL;
	for (size_t i = 0; i < cacheops->n_columns; i++)
		if (cacheops->columns[i].column == column)
			return &cacheops->columns[i];
	said = &cacheops->columns[cacheops->n_columns++];
	said->column = column;
	return said;
}

static int
compile_joins(struct compiler *c, struct pgripple_table *table,
    const struct spec_cacheops *spec, struct cacheops *cacheops)
{
	cacheops->has_joins = spec->has_joins;
	for (size_t i = 0; i < spec->joins.n; i++) {
		const struct word *name = &spec->joins.items[i];
		size_t column;

		if (compile_column(c, table, name->text, name->at, &column) < 0)
			return -1;
		pgripple_columns_add(&cacheops->joins, column);
	}
	return 0;
}

static enum cacheops_kind
find_kind(const char *name)
{
	int kind = 0;

	while (strcmp(cacheops_kind_name((enum cacheops_kind)kind), name) != 0)
		kind++;
	return (enum cacheops_kind)kind;
}

static int
compile_columns(struct compiler *c, struct pgripple_table *table,
    const struct spec_cacheops *spec, struct cacheops *cacheops)
{
	struct cacheops_column *said;

	cacheops->columns = arena_array(c->arena,
	    spec->attnames.n + spec->kinds.n, sizeof(*cacheops->columns));
	if (cacheops->columns == NULL)
		return -1;
	for (size_t i = 0; i < spec->attnames.n; i++) {
		const struct spec_pair *pair = &spec->attnames.items[i];

		said = column_of(c, table, cacheops, &pair->column);
		if (said == NULL)
			return -1;
		said->attname = arena_strdup(c->arena, pair->text.text);
		if (said->attname == NULL)
			return -1;
	}
	for (size_t i = 0; i < spec->kinds.n; i++) {
		const struct spec_pair *pair = &spec->kinds.items[i];

		said = column_of(c, table, cacheops, &pair->column);
		if (said == NULL)
			return -1;
		said->has_kind = true;
		said->kind = find_kind(pair->text.text);
	}
	return 0;
}

int
compile_cacheops(struct compiler *c, struct pgripple_table *table,
    const struct spec_rule *spec, struct pgripple_rule *rule)
{
	const struct spec_cacheops *options = spec->cacheops;
	struct cacheops *cacheops = arena_alloc(c->arena, sizeof(*cacheops));

	if (cacheops == NULL)
		return -1;
	rule->cacheops = cacheops;
	cacheops->layout = (enum cacheops_layout)options->layout;
	cacheops->n_prefixes = options->n_prefixes;
	cacheops->table = options->table.text != NULL
			      ? arena_strdup(c->arena, options->table.text)
			      : table->name;
	if (cacheops->table == NULL ||
	    compile_templates(c, table, options, rule) < 0)
		return -1;
	if (!rule->enabled)
		return 0;
	return compile_columns(c, table, options, cacheops) < 0
		   ? -1
		   : compile_joins(c, table, options, cacheops);
}

/* The columns of the table. */

bool
pgripple_table_adopts(const struct pgripple_table *table)
{
	for (size_t i = 0; i < table->n_models; i++) {
		const struct pgripple_model *model = table->models[i];

		for (size_t j = 0; j < model->n_rules; j++)
			if (model->rules[j].kind == PGRIPPLE_RULE_CACHEOPS &&
			    model->rules[j].enabled)
				return true;
	}
	return false;
}

int
pgripple_graph_adopt(struct pgripple_graph *graph, struct pgripple_table *table,
    const char *name, bool not_null, struct pgripple_error *err)
{
	struct pgripple_column *column = NULL;

	for (size_t i = 0; i < table->n_columns; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			column = &table->columns[i];
	if (column == NULL && table->n_columns < PGRIPPLE_MAX_COLUMNS) {
		const char *copy = arena_strdup(graph->arena, name);

		if (copy == NULL)
			return pgripple_error_nomem(err);
		column = &table->columns[table->n_columns++];
		*column = (struct pgripple_column){
		    .name = copy, .at = table->at, .adopted = true};
	}
	if (column != NULL)
		column->not_null = not_null;
	return 0;
}

void
cacheops_add_columns(struct pgripple_columns *set,
    const struct pgripple_table *table, const struct pgripple_rule *rule)
{
	for (size_t i = 0; i < table->n_columns; i++)
		if (cacheops_has_field(rule->cacheops, table, i))
			pgripple_columns_add(set, i);
	for (size_t i = 0; i < table->n_links; i++)
		pgripple_columns_add(set, table->links[i].column);
}

/* One-to-one fields. */

static bool
find_adopted(
    const struct pgripple_table *table, const char *name, size_t *ret_column)
{
	for (size_t i = 0; i < table->n_columns; i++)
		if (strcmp(table->columns[i].name, name) == 0) {
			*ret_column = i;
			return true;
		}
	return false;
}

void
pgripple_graph_unlink(struct pgripple_graph *graph)
{
	for (size_t i = 0; i < graph->n_tables; i++)
		graph->tables[i].n_links = 0;
}

/* Told again and again, at every look at the catalog: the room is kept. */
int
pgripple_graph_link(struct pgripple_graph *graph, struct pgripple_table *table,
    const char *column, const struct pgripple_table *to, const char *to_column,
    struct pgripple_error *err)
{
	struct pgripple_link link = {.to = to};

	if (!find_adopted(table, column, &link.column) ||
	    !find_adopted(to, to_column, &link.to_column))
		return 0;
	if (table->n_links == table->links_capacity) {
		size_t capacity = 2 * table->links_capacity + 4;
		struct pgripple_link *links =
		    arena_array(graph->arena, capacity, sizeof(*links));

		if (links == NULL)
			return pgripple_error_nomem(err);
		for (size_t i = 0; i < table->n_links; i++)
			links[i] = table->links[i];
		table->links = links;
		table->links_capacity = capacity;
	}
	table->links[table->n_links++] = link;
	return 0;
}
