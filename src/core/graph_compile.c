/*
 * From the spec, which is free of faults now, to the graph: tables with the
 * columns that triggers capture, and sets of columns by index.
 *
 * Rules and relations that are switched off stay in the graph to be shown, but
 * have no columns: what they name may not exist (yet).
 */
#include "core/graph_spec.h"

#include <string.h>

#include "base/buf.h"
#include "base/ident.h"

static struct pgripple_table *
find_table(struct compiler *c, const struct spec_model *spec)
{
	for (size_t i = 0; i < c->graph->n_tables; i++) {
		struct pgripple_table *table = &c->graph->tables[i];

		if (strcmp(table->schema, spec->schema) == 0 &&
		    strcmp(table->name, spec->table_name) == 0)
			return table;
	}
	return NULL;
}

static int
spell_table(struct compiler *c, struct pgripple_table *table)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	ident_print(&text, table->schema);
	buf_add_char(&text, '.');
	ident_print(&text, table->name);
	if (text.failed)
		return -1;
	table->spelled = arena_strdup(c->arena, buf_string(&text));
	return table->spelled == NULL ? -1 : 0;
}

static int
add_table(struct compiler *c, const struct spec_model *spec)
{
	struct pgripple_table *table = &c->graph->tables[c->graph->n_tables];

	if (find_table(c, spec) != NULL)
		return 0;
	table->schema = arena_strdup(c->arena, spec->schema);
	table->name = arena_strdup(c->arena, spec->table_name);
	table->columns = arena_array(
	    c->arena, PGRIPPLE_MAX_COLUMNS, sizeof(*table->columns));
	table->at = spec->table.at;
	if (table->schema == NULL || table->name == NULL ||
	    table->columns == NULL)
		return -1;
	c->graph->n_tables++;
	return spell_table(c, table);
}

static bool
ignores(const struct spec_model *model, const char *column)
{
	for (size_t i = 0; i < model->ignore.n; i++)
		if (strcmp(model->ignore.items[i].text, column) == 0)
			return true;
	return false;
}

/* What one model of the table ignores counts if all do. */
static int
link_ignored(struct compiler *c, struct pgripple_table *table)
{
	const struct spec_model *specs = c->l->spec.models;
	const struct words *words = &specs[table->models[0]->index].ignore;

	table->ignore = arena_array(c->arena, words->n, sizeof(*table->ignore));
	table->ignore_at =
	    arena_array(c->arena, words->n, sizeof(*table->ignore_at));
	if (table->ignore == NULL || table->ignore_at == NULL)
		return -1;
	for (size_t i = 0; i < words->n; i++) {
		const char *name = words->items[i].text;
		size_t n = 0;

		while (n < table->n_models &&
		       ignores(&specs[table->models[n]->index], name))
			n++;
		if (n < table->n_models)
			continue;
		name = arena_strdup(c->arena, name);
		if (name == NULL)
			return -1;
		table->ignore[table->n_ignore] = name;
		table->ignore_at[table->n_ignore++] = words->items[i].at;
	}
	return 0;
}

static int
link_models(struct compiler *c, struct pgripple_table *table)
{
	table->models =
	    arena_array(c->arena, c->graph->n_models, sizeof(*table->models));
	if (table->models == NULL)
		return -1;
	for (size_t i = 0; i < c->graph->n_models; i++)
		if (c->graph->models[i].table == table)
			table->models[table->n_models++] = &c->graph->models[i];
	return 0;
}

int
compile_column(struct compiler *c, struct pgripple_table *table,
    const char *name, struct pgripple_position at, size_t *ret_index)
{
	size_t i;

	for (i = 0; i < table->n_columns && i < PGRIPPLE_MAX_COLUMNS; i++)
		if (strcmp(table->columns[i].name, name) == 0) {
			*ret_index = i;
			return 0;
		}
	*ret_index = 0;
	if (table->n_columns > PGRIPPLE_MAX_COLUMNS)
		return 0;
	if (i == PGRIPPLE_MAX_COLUMNS) {
		loader_add(c->l, at,
		    "column \"%.80s\" is one more than the %d that can be "
		    "used of table \"%s\"",
		    name, PGRIPPLE_MAX_COLUMNS, table->spelled);
		table->n_columns++;
		return 0;
	}
	table->columns[i].name = arena_strdup(c->arena, name);
	table->columns[i].at = at;
	if (table->columns[i].name == NULL)
		return -1;
	table->n_columns++;
	*ret_index = i;
	return 0;
}

static int
compile_where(struct compiler *c, struct pgripple_table *table,
    const struct spec_condition *spec, struct pgripple_condition *condition)
{
	condition->where =
	    arena_array(c->arena, spec->n_where, sizeof(*condition->where));
	if (condition->where == NULL)
		return -1;
	for (size_t i = 0; i < spec->n_where; i++) {
		struct pgripple_where *where =
		    &condition->where[condition->n_where++];
		const struct spec_where *from = &spec->where[i];

		if (compile_column(c, table, from->column.text, from->column.at,
			&where->column) < 0)
			return -1;
		where->values = arena_array(
		    c->arena, from->values.n, sizeof(*where->values));
		if (where->values == NULL)
			return -1;
		for (size_t j = 0; j < from->values.n; j++) {
			where->values[j] =
			    arena_strdup(c->arena, from->values.items[j].text);
			if (where->values[j] == NULL)
				return -1;
			where->n_values++;
		}
	}
	return 0;
}

static int
compile_condition(struct compiler *c, struct pgripple_table *table,
    const struct spec_condition *spec, struct pgripple_condition *condition)
{
	size_t index;

	condition->ops = spec->ops;
	condition->has_changed = spec->has_changed;
	if (compile_where(c, table, spec, condition) < 0)
		return -1;
	for (size_t i = 0; i < condition->n_where; i++)
		pgripple_columns_add(
		    &condition->changed, condition->where[i].column);
	for (size_t i = 0; i < spec->changed.n; i++) {
		if (compile_column(c, table, spec->changed.items[i].text,
			spec->changed.items[i].at, &index) < 0)
			return -1;
		pgripple_columns_add(&condition->changed, index);
	}
	return 0;
}

static struct pgripple_position
place(const struct spec_template *spec, const struct template_part *part)
{
	struct pgripple_position at = spec->source.at;

	if (spec->verbatim)
		at.column += (int)part->offset + spec->quoted;
	return at;
}

int
compile_template(struct compiler *c, struct pgripple_table *table,
    const struct spec_template *source, struct template *template,
    struct pgripple_rule *rule)
{
	for (size_t i = 0; i < template->n_parts; i++) {
		struct template_part *part = &template->parts[i];

		if (!part->is_column)
			continue;
		if (compile_column(c, table, part->text, place(source, part),
			&part->column) < 0)
			return -1;
		pgripple_columns_add(&rule->condition.changed, part->column);
	}
	return 0;
}

static int
compile_rule_parts(struct compiler *c, struct pgripple_table *table,
    const struct spec_rule *spec, struct pgripple_rule *rule)
{
	rule->parts =
	    arena_array(c->arena, spec->n_parts, sizeof(*rule->parts));
	if (rule->parts == NULL)
		return -1;
	for (size_t i = 0; i < spec->n_parts; i++) {
		rule->parts[rule->n_parts++] = (struct pgripple_rule_part){
		    .name = spec->parts[i].name,
		    .template = spec->parts[i].value.template,
		};
		if (compile_template(c, table, &spec->parts[i].value,
			spec->parts[i].value.template, rule) < 0)
			return -1;
	}
	return 0;
}

static int
compile_rule(struct compiler *c, struct pgripple_table *table,
    const struct spec_rule *spec, struct pgripple_rule *rule)
{
	rule->kind = spec->kind;
	rule->template = spec->key.template;
	rule->number = spec->number;
	rule->repeat_ms = spec->repeat_ms;
	rule->target_at = spec->target.at;
	if (spec->target.text != NULL) {
		rule->target_name = arena_strdup(c->arena, spec->target.text);
		if (rule->target_name == NULL)
			return -1;
	}
	rule->own_change_only = spec->own_change_only;
	rule->enabled = spec->enabled;
	rule->at = spec->at;
	if (!rule->enabled && spec->kind != PGRIPPLE_RULE_CACHEOPS)
		return 0;
	c->graph->waits_for_replicas |=
	    rule->repeat_ms == PGRIPPLE_REPEAT_REPLICAS;
	if (spec->kind == PGRIPPLE_RULE_CACHEOPS) {
		if (compile_cacheops(c, table, spec, rule) < 0)
			return -1;
		if (!rule->enabled)
			return 0;
	} else if (compile_template(
		       c, table, &spec->key, spec->key.template, rule) < 0 ||
		   compile_rule_parts(c, table, spec, rule) < 0) {
		return -1;
	}
	return compile_condition(c, table, &spec->condition, &rule->condition);
}

static int
compile_model(struct compiler *c, size_t index)
{
	const struct spec_model *spec = &c->l->spec.models[index];
	struct pgripple_model *model = &c->graph->models[index];
	size_t n_relations = c->l->spec.n_relations;

	model->index = index;
	model->at = spec->name.at;
	model->table = find_table(c, spec);
	model->name = arena_strdup(c->arena, spec->name.text);
	model->rules =
	    arena_array(c->arena, spec->n_rules, sizeof(*model->rules));
	model->out = arena_array(c->arena, n_relations, sizeof(*model->out));
	model->in = arena_array(c->arena, n_relations, sizeof(*model->in));
	if (model->name == NULL || model->rules == NULL || model->out == NULL ||
	    model->in == NULL)
		return -1;
	for (size_t i = 0; i < spec->n_rules; i++)
		if (compile_rule(c, model->table, &spec->rules[i],
			&model->rules[model->n_rules++]) < 0)
			return -1;
	if (!spec->has_whole_model)
		return 0;
	model->whole_patterns = arena_array(
	    c->arena, spec->whole_model.n, sizeof(*model->whole_patterns));
	if (model->whole_patterns == NULL)
		return -1;
	for (size_t i = 0; i < spec->whole_model.n; i++) {
		const char *pattern =
		    arena_strdup(c->arena, spec->whole_model.items[i].text);

		if (pattern == NULL)
			return -1;
		model->whole_patterns[model->n_whole_patterns++] = pattern;
	}
	return 0;
}

static int
compile_match(struct compiler *c, const struct spec_relation *spec,
    struct pgripple_relation *relation)
{
	relation->n_columns = spec->from.columns.n;
	for (size_t i = 0; i < relation->n_columns; i++) {
		const struct word *from = &spec->from.columns.items[i];
		const struct word *to = &spec->to.columns.items[i];

		if (compile_column(c, relation->from->table, from->text,
			from->at, &relation->from_columns[i]) < 0 ||
		    compile_column(c, relation->to->table, to->text, to->at,
			&relation->to_columns[i]) < 0)
			return -1;
		pgripple_columns_add(
		    &relation->condition.changed, relation->from_columns[i]);
	}
	return compile_condition(
	    c, relation->from->table, &spec->condition, &relation->condition);
}

static int
compile_relation(struct compiler *c, size_t index)
{
	const struct spec_relation *spec = &c->l->spec.relations[index];
	struct pgripple_relation *relation = &c->graph->relations[index];

	relation->index = index;
	relation->at = spec->text.at;
	relation->name = arena_strdup(c->arena,
	    spec->name.text != NULL ? spec->name.text : spec->text.text);
	if (relation->name == NULL)
		return -1;
	relation->from = &c->graph->models[spec->from.model_index];
	relation->to = &c->graph->models[spec->to.model_index];
	relation->transitive = spec->transitive;
	relation->enabled = spec->enabled;
	if (!relation->enabled)
		return 0;
	if (compile_match(c, spec, relation) < 0)
		return -1;
	relation->from->out[relation->from->n_out++] = relation;
	relation->to->in[relation->to->n_in++] = relation;
	return 0;
}

static void
add_all(struct pgripple_columns *set, const struct pgripple_columns *more)
{
	for (size_t i = 0; i < N_ELEMENTS(set->bits); i++)
		set->bits[i] |= more->bits[i];
}

static void
add_where(struct pgripple_columns *set, const struct pgripple_condition *c)
{
	for (size_t i = 0; i < c->n_where; i++)
		pgripple_columns_add(set, c->where[i].column);
}

static void
add_match(struct pgripple_columns *set, const size_t *columns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pgripple_columns_add(set, columns[i]);
}

/* A row whose own match moves leads elsewhere than before: that counts as a
 * change for everything that hangs on it. */
static void
complete_changed(struct pgripple_model *model)
{
	struct pgripple_columns matched = {0};

	for (size_t i = 0; i < model->n_in; i++)
		add_match(&matched, model->in[i]->to_columns,
		    model->in[i]->n_columns);
	for (size_t i = 0; i < model->n_rules; i++)
		if (model->rules[i].enabled)
			add_all(&model->rules[i].condition.changed, &matched);
	for (size_t i = 0; i < model->n_out; i++)
		add_all(&model->out[i]->condition.changed, &matched);
}

static void
add_template(struct pgripple_columns *set, const struct template *t)
{
	for (size_t i = 0; i < t->n_parts; i++)
		if (t->parts[i].is_column)
			pgripple_columns_add(set, t->parts[i].column);
}

static void
add_rule(struct pgripple_columns *set, const struct pgripple_model *model,
    const struct pgripple_rule *rule)
{
	add_template(set, rule->template);
	for (size_t i = 0; i < rule->n_parts; i++)
		add_template(set, rule->parts[i].template);
	add_where(set, &rule->condition);
	if (rule->kind == PGRIPPLE_RULE_CACHEOPS)
		cacheops_add_columns(set, model->table, rule);
}

void
graph_find_needed(struct pgripple_model *model)
{
	memset(&model->needed_to_own, 0, sizeof(model->needed_to_own));
	memset(&model->needed_to_stop, 0, sizeof(model->needed_to_stop));
	for (size_t i = 0; i < model->n_rules; i++) {
		const struct pgripple_rule *rule = &model->rules[i];

		if (!rule->enabled)
			continue;
		add_rule(&model->needed_to_own, model, rule);
		if (!rule->own_change_only)
			add_rule(&model->needed_to_stop, model, rule);
	}
	model->needed_to_pass = model->needed_to_stop;
	for (size_t i = 0; i < model->n_out; i++) {
		const struct pgripple_relation *relation = model->out[i];

		add_match(&model->needed_to_pass, relation->from_columns,
		    relation->n_columns);
		add_where(&model->needed_to_pass, &relation->condition);
	}
	add_all(&model->needed_to_own, &model->needed_to_pass);
}

static int
compile_parts(struct compiler *c)
{
	const struct spec *spec = &c->l->spec;

	for (size_t i = 0; i < spec->n_models; i++)
		if (add_table(c, &spec->models[i]) < 0)
			return -1;
	for (size_t i = 0; i < spec->n_models; i++, c->graph->n_models++)
		if (compile_model(c, i) < 0)
			return -1;
	for (size_t i = 0; i < spec->n_relations; i++, c->graph->n_relations++)
		if (compile_relation(c, i) < 0)
			return -1;
	for (size_t i = 0; i < c->graph->n_tables; i++)
		if (link_models(c, &c->graph->tables[i]) < 0 ||
		    link_ignored(c, &c->graph->tables[i]) < 0)
			return -1;
	for (size_t i = 0; i < c->graph->n_models; i++) {
		complete_changed(&c->graph->models[i]);
		graph_find_needed(&c->graph->models[i]);
	}
	return 0;
}

void
graph_compile(struct loader *l, struct pgripple_graph *graph)
{
	struct compiler c = {l, graph, l->arena};
	const struct spec *spec = &l->spec;

	graph->models =
	    arena_array(c.arena, spec->n_models, sizeof(*graph->models));
	graph->tables =
	    arena_array(c.arena, spec->n_models, sizeof(*graph->tables));
	graph->tables_by_name = arena_array(
	    c.arena, spec->n_models, sizeof(struct pgripple_table *));
	graph->relations =
	    arena_array(c.arena, spec->n_relations, sizeof(*graph->relations));
	if (graph->models == NULL || graph->tables == NULL ||
	    graph->tables_by_name == NULL || graph->relations == NULL ||
	    compile_parts(&c) < 0 || graph_aim_at_default(graph) < 0)
		l->out_of_memory = true;
	else
		graph_sort_tables(graph);
}
