/*
 * The picture of a graph: which boxes and edges there are, and the words at
 * them.
 */
#include "core/picture.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "core/template.h"

#define CHANGES                                                \
	(1u << PGRIPPLE_OP_INSERT | 1u << PGRIPPLE_OP_UPDATE | \
	    1u << PGRIPPLE_OP_DELETE)

struct maker {
	struct arena *arena;
	struct buf text;
	bool failed; /* out of memory */
};

/* What was written since the last call, as a text that lasts. */
static const char *
take(struct maker *m)
{
	const char *copy =
	    arena_copy(m->arena, buf_string(&m->text), m->text.n);

	m->failed |= copy == NULL || m->text.failed;
	buf_reset(&m->text);
	return copy == NULL ? "" : copy;
}

/* Begins one of several words with commas between them. */
static void
add_part(struct maker *m, const char *part)
{
	if (m->text.n > 0)
		buf_add_string(&m->text, ", ");
	buf_add_string(&m->text, part);
}

/* The columns that "changed" lists, without those that count anyway. */
static void
add_changed(struct maker *m, const struct pgripple_model *model,
    const struct pgripple_condition *condition,
    const struct pgripple_columns *implied)
{
	struct pgripple_columns silent = *implied;
	size_t n = 0;

	for (size_t i = 0; i < model->n_in; i++)
		for (size_t j = 0; j < model->in[i]->n_columns; j++)
			pgripple_columns_add(
			    &silent, model->in[i]->to_columns[j]);
	for (size_t i = 0; i < condition->n_where; i++)
		pgripple_columns_add(&silent, condition->where[i].column);
	add_part(m, "changed: ");
	for (size_t i = 0; i < model->table->n_columns; i++)
		if (pgripple_columns_has(&condition->changed, i) &&
		    !pgripple_columns_has(&silent, i))
			buf_printf(&m->text, "%s%s", n++ == 0 ? "" : " or ",
			    model->table->columns[i].name);
	if (n == 0)
		buf_add_string(&m->text, "matched columns alone");
}

static void
add_ops(struct maker *m, const struct pgripple_condition *condition)
{
	size_t n = 0;

	add_part(m, "on ");
	for (int op = PGRIPPLE_OP_INSERT; op <= PGRIPPLE_OP_DELETE; op++)
		if (condition->ops >> op & 1)
			buf_printf(&m->text, "%s%s", n++ == 0 ? "" : " or ",
			    pgripple_op_name((enum pgripple_op)op));
}

static void
add_where(struct maker *m, const struct pgripple_table *table,
    const struct pgripple_where *where)
{
	add_part(m, table->columns[where->column].name);
	buf_add_string(&m->text, where->n_values == 1 ? " = " : " in ");
	for (size_t i = 0; i < where->n_values; i++)
		buf_printf(
		    &m->text, "%s%s", i == 0 ? "" : "|", where->values[i]);
}

/* implied are the columns that always count for this rule or relation. */
static void
add_condition(struct maker *m, const struct pgripple_model *model,
    const struct pgripple_condition *condition,
    const struct pgripple_columns *implied)
{
	if (condition->has_changed)
		add_changed(m, model, condition, implied);
	if ((condition->ops & CHANGES) != CHANGES)
		add_ops(m, condition);
	for (size_t i = 0; i < condition->n_where; i++)
		add_where(m, model->table, &condition->where[i]);
}

static void
make_rule(struct maker *m, const struct pgripple_model *model,
    const struct pgripple_rule *rule, struct picture_rule *ret_rule)
{
	struct pgripple_columns own = {0};

	if (rule->kind != PGRIPPLE_RULE_KEY)
		buf_printf(
		    &m->text, "%s ", pgripple_rule_kind_name(rule->kind));
	buf_add_string(&m->text, rule->template->source);
	ret_rule->text = take(m);
	ret_rule->enabled = rule->enabled;
	if (!rule->enabled) {
		ret_rule->detail = "disabled";
		return;
	}
	for (size_t i = 0; i < rule->template->n_parts; i++)
		if (rule->template->parts[i].is_column)
			pgripple_columns_add(
			    &own, rule->template->parts[i].column);
	if (rule->own_change_only)
		add_part(m, "own change only");
	add_condition(m, model, &rule->condition, &own);
	ret_rule->detail = take(m);
}

static void
make_box(struct maker *m, const struct pgripple_model *model,
    enum picture_watch watch, struct picture_box *box)
{
	const struct pgripple_table *table = model->table;

	box->name = model->name;
	/* As it may be written in the file. */
	box->table = table->spelled;
	if (strncmp(box->table, "public.", 7) == 0)
		box->table += 7;
	box->watch = watch;
	for (size_t i = 0; i < table->n_ignore; i++)
		buf_printf(&m->text, "%s%s", i == 0 ? "ignores " : ", ",
		    table->ignore[i]);
	box->ignore = take(m);
	box->rules = arena_array(m->arena, model->n_rules, sizeof(*box->rules));
	if (box->rules == NULL) {
		m->failed = true;
		return;
	}
	for (size_t i = 0; i < model->n_rules; i++)
		make_rule(
		    m, model, &model->rules[i], &box->rules[box->n_rules++]);
}

/* "x", or "(x, y)". */
static const char *
make_columns(struct maker *m, const struct pgripple_table *table,
    const size_t *columns, size_t n)
{
	if (n > 1)
		buf_add_char(&m->text, '(');
	for (size_t i = 0; i < n; i++)
		buf_printf(&m->text, "%s%s", i == 0 ? "" : ", ",
		    table->columns[columns[i]].name);
	if (n > 1)
		buf_add_char(&m->text, ')');
	return take(m);
}

/* Whether the match alone gives every column that the dependent model needs. */
static bool
gives_all(const struct pgripple_relation *relation)
{
	struct pgripple_columns missing = pgripple_relation_missing(relation);

	for (size_t i = 0; i < N_ELEMENTS(missing.bits); i++)
		if (missing.bits[i] != 0)
			return false;
	return true;
}

static enum picture_lookup
lookup_of(const struct pgripple_relation *relation, bool described)
{
	if (relation->direct)
		return PICTURE_NO_LOOKUP;
	if (!described && gives_all(relation))
		return PICTURE_LOOKUP_BY_TYPE;
	return PICTURE_LOOKUP;
}

static void
make_edge(struct maker *m, const struct pgripple_relation *relation,
    bool described, struct picture_edge *edge)
{
	struct pgripple_columns own = {0};

	edge->from = relation->from->index;
	edge->to = relation->to->index;
	edge->transitive = relation->transitive;
	edge->enabled = relation->enabled;
	edge->from_columns = edge->to_columns = "";
	/* Of a disabled one nothing else was compiled. */
	if (!relation->enabled) {
		edge->name = relation->name;
		edge->detail = "disabled";
		return;
	}
	if (strstr(relation->name, "->") == NULL)
		edge->name = relation->name;
	edge->from_columns = make_columns(m, relation->from->table,
	    relation->from_columns, relation->n_columns);
	edge->to_columns = make_columns(
	    m, relation->to->table, relation->to_columns, relation->n_columns);
	for (size_t i = 0; i < relation->n_columns; i++)
		pgripple_columns_add(&own, relation->from_columns[i]);
	add_condition(m, relation->from, &relation->condition, &own);
	edge->detail = take(m);
	edge->lookup = lookup_of(relation, described);
}

static void
make_all(struct maker *m, const struct pgripple_graph *graph,
    const enum picture_watch *watches, struct picture *p)
{
	p->boxes = arena_array(m->arena, graph->n_models, sizeof(*p->boxes));
	p->edges = arena_array(m->arena, graph->n_relations, sizeof(*p->edges));
	if (p->boxes == NULL || p->edges == NULL) {
		m->failed = true;
		return;
	}
	for (size_t i = 0; i < graph->n_models; i++) {
		size_t table = (size_t)(graph->models[i].table - graph->tables);

		make_box(m, &graph->models[i],
		    watches == NULL ? PICTURE_NOT_ASKED : watches[table],
		    &p->boxes[p->n_boxes++]);
	}
	for (size_t i = 0; i < graph->n_relations; i++)
		make_edge(m, &graph->relations[i], watches != NULL,
		    &p->edges[p->n_edges++]);
}

int
picture_make(struct arena *arena, const struct pgripple_graph *graph,
    const enum picture_watch *watches, struct picture *ret_picture,
    struct pgripple_error *err)
{
	struct maker m = {.arena = arena, .text = BUF_INIT};
	struct picture picture = {.described = watches != NULL};

	make_all(&m, graph, watches, &picture);
	buf_done(&m.text);
	if (m.failed)
		return pgripple_error_nomem(err);
	*ret_picture = picture;
	return 0;
}

const char *
picture_watch_name(enum picture_watch watch)
{
	switch (watch) {
	case PICTURE_NOT_ASKED:
		return "";
	case PICTURE_WATCHED:
		return "watched";
	case PICTURE_UNWATCHED:
		return "not watched";
	case PICTURE_WRONG:
		return "not watched as the graph needs";
	case PICTURE_NO_TABLE:
		return "no such table";
	}
	return "";
}

const char *
picture_edge_words(const struct picture_edge *edge)
{
	if (!edge->enabled)
		return "";
	if (edge->lookup == PICTURE_LOOKUP)
		return edge->transitive ? "lookup" : "lookup, ends there";
	return edge->transitive ? "" : "ends there";
}

const char *
picture_caveat(const struct picture *picture)
{
	if (picture->described)
		return NULL;
	return "Made without a database: an edge between columns of different "
	       "types may need a lookup, too.";
}
