/*
 * The second pass: what the words refer to, and what contradicts itself.
 */
#include "core/graph_spec.h"

#include <string.h>

#include "base/closest.h"
#include "base/glob.h"
#include "base/ident.h"

static bool
has_word(const struct words *words, const char *text)
{
	for (size_t i = 0; i < words->n; i++)
		if (strcmp(words->items[i].text, text) == 0)
			return true;
	return false;
}

static void
check_table(struct loader *l, struct spec_model *model)
{
	struct pgripple_error err;
	const char *text = model->table.text;

	if (text == NULL || *text == '\0')
		return; /* already told */
	if (ident_parse(l->arena, text, strlen(text), &model->schema,
		&model->table_name, &err) == 0) {
		if (model->schema == NULL)
			model->schema = "public";
		return;
	}
	if (err.kind == PGRIPPLE_ERROR_NOMEM) {
		l->out_of_memory = true;
		return;
	}
	model->table_name = NULL;
	err.kind = PGRIPPLE_ERROR_CONFIG;
	err.at = model->table.at;
	pgripple_errors_take(l->errors, &err);
}

/* Whether it begins, or at least goes on, with text that no row has chosen. */
static bool
has_own_text(const struct spec_rule *rule)
{
	const struct template *t = rule->key.template;

	if (rule->kind == PGRIPPLE_RULE_PATTERN)
		return !t->parts[0].is_column &&
		       glob_literal_prefix(
			   t->parts[0].text, t->parts[0].length) > 0;
	for (size_t i = 0; i < t->n_parts; i++)
		if (!t->parts[i].is_column)
			return true;
	return false;
}

/* Messages are sent to one place for the whole model, too. */
static bool
is_scanned_for(const struct spec_model *model, const struct spec_rule *rule)
{
	switch (rule->kind) {
	case PGRIPPLE_RULE_KEY:
	case PGRIPPLE_RULE_HASH:
	case PGRIPPLE_RULE_FENCE:
		return !model->has_whole_model;
	case PGRIPPLE_RULE_PATTERN:
	case PGRIPPLE_RULE_TAG:
	case PGRIPPLE_RULE_VERSION:
		return true;
	case PGRIPPLE_RULE_PUBLISH:
	case PGRIPPLE_RULE_STREAM:
	case PGRIPPLE_RULE_CACHEOPS:
		return false;
	}
	return false;
}

/* A template without a letter of its own would, for the whole model, match
 * every key there is; a pattern, even for a row. */
static void
check_template(struct loader *l, const struct spec_model *model,
    const struct spec_rule *rule)
{
	if (rule->key.template == NULL || !rule->enabled ||
	    !is_scanned_for(model, rule) || has_own_text(rule))
		return;
	if (rule->kind == PGRIPPLE_RULE_PATTERN)
		pgripple_error_hint(
		    loader_add(l, rule->key.source.at,
			"pattern \"%.200s\" does not begin with plain text",
			rule->key.source.text),
		    "It would look at every key; begin it with a prefix, as "
		    "in \"%s:{id}:*\".",
		    model->name.text);
	else
		pgripple_error_hint(
		    loader_add(l, rule->key.source.at,
			"template \"%.200s\" has no text of its own: for the "
			"whole model it would match every key",
			rule->key.source.text),
		    "Give the keys a prefix, as in \"%s:%.80s\", or say with "
		    "\"whole_model\" what to match.",
		    model->name.text, rule->key.source.text);
}

static void
check_whole_model(struct loader *l, const struct spec_model *model)
{
	for (size_t i = 0; i < model->whole_model.n; i++) {
		const struct word *w = &model->whole_model.items[i];

		if (glob_literal_prefix(w->text, strlen(w->text)) > 0)
			continue;
		pgripple_error_hint(
		    loader_add(l, w->at,
			"pattern \"%.200s\" does not begin with plain text",
			w->text),
		    "It would look at every key; begin it with a prefix, as "
		    "in \"%s:*\".",
		    model->name.text);
	}
}

static void
resolve_model(struct loader *l, const struct spec_relation *relation,
    struct spec_side *side)
{
	const struct spec *spec = &l->spec;
	const char **names = loader_array(l, spec->n_models, sizeof(*names));
	struct pgripple_error *e;
	const char *near;

	side->model_index = SIZE_MAX;
	if (names == NULL)
		return;
	for (size_t i = 0; i < spec->n_models; i++) {
		names[i] = spec->models[i].name.text;
		if (strcmp(names[i], side->model.text) == 0) {
			side->model_index = i;
			return;
		}
	}
	e = loader_add(l, side->model.at,
	    "relation \"%.200s\" names an unknown model \"%.80s\"",
	    relation->text.text, side->model.text);
	near = closest(side->model.text, names, spec->n_models);
	if (near != NULL)
		pgripple_error_hint(e, "Did you mean \"%s\"?", near);
	else
		pgripple_error_hint(e,
		    "Relations name models, not tables; link tables are "
		    "models, too.");
}

static bool
same_words(const struct words *a, const struct words *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i].text, b->items[i].text) != 0)
			return false;
	return true;
}

static bool
same_match(const struct spec_relation *a, const struct spec_relation *b)
{
	return a->parsed && b->parsed &&
	       strcmp(a->from.model.text, b->from.model.text) == 0 &&
	       strcmp(a->to.model.text, b->to.model.text) == 0 &&
	       same_words(&a->from.columns, &b->from.columns) &&
	       same_words(&a->to.columns, &b->to.columns);
}

static const char *
name_of(const struct spec_relation *relation)
{
	return relation->name.text != NULL ? relation->name.text
					   : relation->text.text;
}

/* Against those before it. */
static void
check_unique(struct loader *l, size_t index)
{
	const struct spec_relation *b = &l->spec.relations[index];

	for (size_t i = 0; i < index; i++) {
		const struct spec_relation *a = &l->spec.relations[i];

		if (a->name.text == NULL && b->name.text == NULL &&
		    same_match(a, b)) {
			pgripple_error_hint(
			    loader_add(l, b->text.at,
				"relation \"%.200s\" stands at line %d already",
				b->text.text, a->text.at.line),
			    "If their options differ, give each a \"name\".");
			return;
		}
		if ((a->name.text != NULL || b->name.text != NULL) &&
		    *name_of(a) != '\0' &&
		    strcmp(name_of(a), name_of(b)) == 0) {
			loader_add(l,
			    b->name.text != NULL ? b->name.at : b->text.at,
			    "the relation at line %d has the name \"%.200s\" "
			    "already",
			    a->text.at.line, name_of(b));
			return;
		}
	}
}

static bool
condition_uses(const struct spec_condition *c, const char *column)
{
	if (has_word(&c->changed, column))
		return true;
	for (size_t i = 0; i < c->n_where; i++)
		if (strcmp(c->where[i].column.text, column) == 0)
			return true;
	return false;
}

static bool
template_uses(const struct template *t, const char *column)
{
	for (size_t i = 0; t != NULL && i < t->n_parts; i++)
		if (t->parts[i].is_column &&
		    strcmp(t->parts[i].text, column) == 0)
			return true;
	return false;
}

static bool
rule_uses(const struct spec_rule *rule, const char *column)
{
	if (!rule->enabled)
		return false;
	for (size_t i = 0; i < rule->n_parts; i++)
		if (template_uses(rule->parts[i].value.template, column))
			return true;
	return template_uses(rule->key.template, column) ||
	       condition_uses(&rule->condition, column);
}

static bool
relation_uses(
    const struct spec_relation *relation, size_t model, const char *column)
{
	if (!relation->parsed || !relation->enabled)
		return false;
	if (relation->to.model_index == model &&
	    has_word(&relation->to.columns, column))
		return true;
	return relation->from.model_index == model &&
	       (has_word(&relation->from.columns, column) ||
		   condition_uses(&relation->condition, column));
}

/* An UPDATE of an ignored column leaves nothing in the outbox. */
static void
check_ignored(struct loader *l, size_t index, const struct word *column)
{
	const struct spec_model *model = &l->spec.models[index];
	const char *user = NULL;

	for (size_t i = 0; i < model->n_rules && user == NULL; i++)
		if (rule_uses(&model->rules[i], column->text))
			user = loader_printf(l, "rule \"%.100s\"",
			    model->rules[i].key.source.text != NULL
				? model->rules[i].key.source.text
				: "");
	for (size_t i = 0; i < l->spec.n_relations && user == NULL; i++)
		if (relation_uses(&l->spec.relations[i], index, column->text))
			user = loader_printf(l, "relation \"%.100s\"",
			    l->spec.relations[i].text.text);
	if (user == NULL)
		return;
	pgripple_error_hint(
	    loader_add(l, column->at,
		"model \"%.80s\" ignores column \"%.80s\", which %s uses",
		model->name.text, column->text, user),
	    "A change of it would be missed: take it off the list.");
}

void
meaning_check(struct loader *l)
{
	struct spec *spec = &l->spec;

	for (size_t i = 0; i < spec->n_models; i++) {
		struct spec_model *model = &spec->models[i];

		check_table(l, model);
		check_whole_model(l, model);
		for (size_t j = 0; j < model->n_rules; j++)
			check_template(l, model, &model->rules[j]);
	}
	for (size_t i = 0; i < spec->n_relations; i++) {
		struct spec_relation *relation = &spec->relations[i];

		check_unique(l, i);
		if (!relation->parsed)
			continue;
		resolve_model(l, relation, &relation->from);
		resolve_model(l, relation, &relation->to);
	}
	for (size_t i = 0; i < spec->n_models; i++)
		for (size_t j = 0; j < spec->models[i].ignore.n; j++)
			check_ignored(l, i, &spec->models[i].ignore.items[j]);
}
