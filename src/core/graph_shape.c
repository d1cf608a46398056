/*
 * The first pass: types, required and unknown keys.
 */
#include "core/graph_spec.h"

#include <stdio.h>
#include <string.h>

static void
field_table(struct loader *l, const struct node *value, void *object)
{
	struct spec_model *model = object;

	if (!read_text(l, value, &model->table))
		model->table = (struct word){"", value->at};
	else if (*model->table.text == '\0')
		loader_add(l, value->at, "\"table\" is empty");
}

static void
field_ignore(struct loader *l, const struct node *value, void *object)
{
	struct spec_model *model = object;

	(void)!read_words(l, value, &model->ignore); /* already told */
}

static void
field_invalidate(struct loader *l, const struct node *value, void *object)
{
	struct spec_model *model = object;
	struct words unused;

	if (value->kind != NODE_LIST) {
		(void)!read_words(l, value, &unused); /* says what is wrong */
		return;
	}
	model->rules =
	    loader_array(l, value->n_children, sizeof(*model->rules));
	if (model->rules == NULL)
		return;
	for (size_t i = 0; i < value->n_children; i++)
		rule_read(
		    l, &value->children[i], &model->rules[model->n_rules++]);
}

static void
field_whole_model(struct loader *l, const struct node *value, void *object)
{
	struct spec_model *model = object;

	model->has_whole_model = read_words(l, value, &model->whole_model);
	if (model->has_whole_model && value->n_children == 0)
		pgripple_error_hint(loader_add(l, value->at,
					"\"whole_model\" lists no pattern"),
		    "Leave it out to derive the patterns from the rules.");
}

static const struct field model_fields[] = {
    {"table", field_table},
    {"ignore", field_ignore},
    {"invalidate", field_invalidate},
    {"whole_model", field_whole_model},
};

static bool
is_plain_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_";

	return *name != '\0' && name[strspn(name, letters)] == '\0' &&
	       strlen(name) <= 63;
}

static void
read_model(struct loader *l, const struct node *value, struct spec_model *model)
{
	char what[100];
	size_t n_before = l->errors->n_items;

	model->name = node_word(value->key);
	model->table = (struct word){"", value->at};
	if (strstr(model->name.text, "->") != NULL) {
		pgripple_error_hint(loader_add(l, model->name.at,
					"a relation stands among the models"),
		    "Relations are items of the list \"relations\".");
		return;
	}
	(void)snprintf(what, sizeof(what), "model \"%.80s\"", model->name.text);
	if (!is_plain_name(model->name.text))
		pgripple_error_hint(
		    loader_add(l, model->name.at,
			"\"%.80s\" cannot be the name of a model",
			model->name.text),
		    "Use letters, digits and underscores, at most 63.");
	if (value->kind != NODE_MAP) {
		struct pgripple_error *e =
		    loader_add_kind(l, value, what, "a map");

		if (value->kind == NODE_SCALAR &&
		    strchr(value->text, ':') != NULL)
			pgripple_error_hint(
			    e, "Write a space after the colon.");
		else
			pgripple_error_hint(
			    e, "Write \"table: name\" in the line below.");
		return;
	}
	model->table = (struct word){0};
	read_fields(
	    l, value, what, model_fields, N_ELEMENTS(model_fields), model);
	if (model->table.text == NULL && l->errors->n_items == n_before)
		pgripple_error_hint(
		    loader_add(l, model->name.at, "%s has no \"table\"", what),
		    "Name the table whose rows it stands for.");
}

static void
field_models(struct loader *l, const struct node *value, void *object)
{
	struct spec *spec = &l->spec;

	(void)object;
	if (value->kind != NODE_MAP) {
		struct pgripple_error *e =
		    loader_add_kind(l, value, "\"models\"", "a map");

		pgripple_error_hint(e,
		    "Write each model as its name and a colon, without a "
		    "dash, and its keys indented below.");
		return;
	}
	if (value->n_children == 0)
		loader_add(l, value->at, "\"models\" is empty");
	spec->models =
	    loader_array(l, value->n_children, sizeof(*spec->models));
	if (spec->models == NULL)
		return;
	for (size_t i = 0; i < value->n_children; i++)
		read_model(
		    l, &value->children[i], &spec->models[spec->n_models++]);
}

static void
field_transitive(struct loader *l, const struct node *value, void *object)
{
	struct spec_relation *relation = object;

	(void)!read_flag(l, value, &relation->transitive);
}

static void
field_enabled(struct loader *l, const struct node *value, void *object)
{
	struct spec_relation *relation = object;

	(void)!read_flag(l, value, &relation->enabled);
}

static void
field_name(struct loader *l, const struct node *value, void *object)
{
	struct spec_relation *relation = object;

	if (read_text(l, value, &relation->name) &&
	    *relation->name.text == '\0')
		loader_add(l, value->at, "\"name\" is empty");
}

static void
field_changed(struct loader *l, const struct node *value, void *object)
{
	read_changed(l, value, &((struct spec_relation *)object)->condition);
}

static void
field_ops(struct loader *l, const struct node *value, void *object)
{
	read_ops(l, value, &((struct spec_relation *)object)->condition);
}

static void
field_where(struct loader *l, const struct node *value, void *object)
{
	read_where(l, value, &((struct spec_relation *)object)->condition);
}

static const struct field relation_fields[] = {
    {"transitive", field_transitive},
    {"changed", field_changed},
    {"ops", field_ops},
    {"where", field_where},
    {"name", field_name},
    {"enabled", field_enabled},
};

static bool
is_relation_option(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(relation_fields); i++)
		if (strcmp(relation_fields[i].name, name) == 0)
			return true;
	return false;
}

/* "a.x -> b.y: { ... }" and nothing beside it. */
static void
read_relation_map(
    struct loader *l, const struct node *map, struct spec_relation *relation)
{
	const struct node *value = &map->children[0];
	char what[120];

	for (size_t i = 1; i < map->n_children; i++) {
		const struct node *key = map->children[i].key;
		struct pgripple_error *e = loader_add(l, key->at,
		    "\"%.80s\" stands beside the relation \"%.80s\" rather "
		    "than inside it",
		    key->text, value->key->text);

		if (is_relation_option(key->text))
			pgripple_error_hint(e,
			    "Indent it further than the relation, or write "
			    "\"- %.80s: { %s: ... }\".",
			    value->key->text, key->text);
		else
			pgripple_error_hint(e,
			    "Each relation is an item of its own and begins "
			    "with a dash.");
	}
	relation_parse(l, value->key, relation);
	if (value->kind == NODE_NULL)
		return; /* a colon, and no options */
	if (value->kind == NODE_SCALAR && !relation->parsed)
		return; /* a part of what was told */
	(void)snprintf(
	    what, sizeof(what), "relation \"%.80s\"", value->key->text);
	if (value->kind == NODE_MAP)
		read_fields(l, value, what, relation_fields,
		    N_ELEMENTS(relation_fields), relation);
	else
		pgripple_error_hint(loader_add(l, value->at,
					"options of %s must be a map, not %s",
					what, node_kind_name(value->kind)),
		    "Write { transitive: false }, say.");
}

static void
read_relation(
    struct loader *l, const struct node *node, struct spec_relation *relation)
{
	relation->transitive = true;
	relation->enabled = true;
	relation->condition.ops = UINT32_MAX;
	relation->text = (struct word){"", node->at};
	if (node->kind == NODE_SCALAR) {
		relation_parse(l, node, relation);
	} else if (node->kind == NODE_MAP && node->n_children > 0) {
		read_relation_map(l, node, relation);
	} else {
		pgripple_error_hint(
		    loader_add_kind(l, node, "a relation", "text"),
		    "Write it as \"changed.column -> dependent.column\".");
	}
}

static void
field_relations(struct loader *l, const struct node *value, void *object)
{
	struct spec *spec = &l->spec;
	struct words unused;

	(void)object;
	if (value->kind == NODE_NULL)
		return; /* all of them commented out */
	if (value->kind != NODE_LIST) {
		if (value->kind == NODE_SCALAR &&
		    strstr(value->text, "->") != NULL && *value->text != '-')
			pgripple_error_hint(
			    loader_add(l, value->at,
				"\"relations\" must be a list, not text"),
			    "Begin each relation with a dash.");
		else
			(void)!read_words(l, value, &unused);
		return;
	}
	spec->relations =
	    loader_array(l, value->n_children, sizeof(*spec->relations));
	if (spec->relations == NULL)
		return;
	for (size_t i = 0; i < value->n_children; i++)
		read_relation(l, &value->children[i],
		    &spec->relations[spec->n_relations++]);
}

static const struct field top_fields[] = {
    {"models", field_models},
    {"relations", field_relations},
};

void
shape_read(struct loader *l, const struct node *root)
{
	size_t n_before;

	if (root->kind != NODE_MAP) {
		pgripple_error_hint(
		    loader_add_kind(l, root, "the file", "a map"),
		    "Begin it with \"models:\".");
		return;
	}
	n_before = l->errors->n_items;
	read_fields(
	    l, root, "the file", top_fields, N_ELEMENTS(top_fields), NULL);
	if (node_get(root, "models") == NULL && l->errors->n_items == n_before)
		pgripple_error_hint(
		    loader_add(l, root->at, "the file has no \"models\""),
		    "Begin it with \"models:\".");
}
