/*
 * What a touched row makes by a rule "cacheops".
 *
 * Of the row itself, all that depends on its values goes.  A row that holds a
 * one-to-one field shows on the other side, too: an object has a draft, or has
 * none, and cacheops remembers no dependency on that.  It invalidates the other
 * side by the one column that is known of it, its key, when the field gets
 * another value; so does this.
 */
#include <string.h>

#include "core/cacheops.h"
#include "core/emit_private.h"

/* What depends on any row of a table, by the template of its keys. */
static int
emit_dependencies(struct emitter *emitter, const struct template *t,
    const struct pgripple_value *values)
{
	emitter_begin_pattern(emitter);
	template_pattern(t, values, &emitter->text);
	buf_add_char(&emitter->text, '*');
	emitter_end_piece(emitter);
	return emitter_emit(
	    emitter, PGRIPPLE_OPERATION_SCAN, PGRIPPLE_OPERATION_CONJ, 0);
}

static void
add_cells(struct emitter *emitter)
{
	const struct cacheops *cacheops = emitter->rule->cacheops;
	const struct pgripple_table *table = emitter->touch->model->table;

	for (size_t i = 0; i < table->n_columns; i++) {
		if (!cacheops_has_field(cacheops, table, i))
			continue;
		cacheops_print_cell(&emitter->text,
		    cacheops_kind_of(cacheops, table, i),
		    &emitter->touch->values[i]);
		emitter_end_piece(emitter);
	}
}

/* Whether an UPDATE is known to leave these columns as they were. */
static bool
leaves(const struct pgripple_change *change,
    const struct pgripple_columns *columns)
{
	return change->op == PGRIPPLE_OP_UPDATE && change->has_changed &&
	       !pgripple_columns_meet(columns, &change->changed);
}

/* An outer join cannot find more or fewer rows for a row that did not change,
 * or not in the columns by which it is joined. */
static bool
moves_outer_joins(const struct emitter *emitter)
{
	const struct cacheops *cacheops = emitter->rule->cacheops;
	const struct pgripple_change *own = emitter->touch->own;

	return own != NULL &&
	       !(cacheops->has_joins && leaves(own, &cacheops->joins));
}

/* What depends on a row with such values. */
static int
emit_row(struct emitter *emitter, const struct template *t)
{
	const struct cacheops *cacheops = emitter->rule->cacheops;
	const struct pgripple_value *values = emitter_values(emitter);

	switch (emitter_judge(emitter, t)) {
	case TEMPLATE_NULL:
		return 0;
	case TEMPLATE_UNKNOWN:
		return emit_dependencies(emitter, t, values);
	case TEMPLATE_DONE:
		break;
	}
	if (emitter->touch->whole)
		return emit_dependencies(emitter, t, values);
	emitter_begin(emitter);
	template_fill_wide(t, values, &emitter->text);
	emitter_end_piece(emitter);
	emitter_add_piece(emitter, cacheops->table);
	emitter_add_piece(
	    emitter, moves_outer_joins(emitter) ? "row" : "inner");
	emitter_add_piece(emitter, cacheops_layout_name(cacheops->layout));
	cacheops_print_fields(
	    &emitter->text, cacheops, emitter->touch->model->table);
	emitter_end_piece(emitter);
	add_cells(emitter);
	return emitter_emit(
	    emitter, PGRIPPLE_OPERATION_CACHEOPS, PGRIPPLE_OPERATION_UNLINK, 0);
}

/* The other side of one-to-one fields. */

static size_t
n_own(const struct pgripple_rule *rule)
{
	return rule->cacheops->n_prefixes;
}

static const struct template *
own_template(const struct pgripple_rule *rule, size_t i)
{
	return i == 0 ? rule->template : rule->parts[i - 1].template;
}

/* The part of a row of the other side, under the key that is in the text. */
static int
emit_part(struct emitter *emitter, const struct pgripple_rule *other,
    const struct pgripple_link *link)
{
	const struct cacheops *cacheops = other->cacheops;

	emitter_end_piece(emitter);
	emitter_add_piece(emitter, cacheops->table);
	emitter_add_piece(emitter, "part");
	emitter_add_piece(emitter, cacheops_layout_name(cacheops->layout));
	cacheops_print_field(
	    &emitter->text, cacheops, link->to, link->to_column);
	emitter_end_piece(emitter);
	cacheops_print_cell(&emitter->text,
	    cacheops_kind_of(cacheops, link->to, link->to_column),
	    &emitter->touch->values[link->column]);
	emitter_end_piece(emitter);
	return emitter_emit(
	    emitter, PGRIPPLE_OPERATION_CACHEOPS, PGRIPPLE_OPERATION_UNLINK, 0);
}

/* A prefix that comes from the other row is taken from this one: they belong
 * to the same tenant.  The template ends in "conj:TABLE:". */
static int
emit_part_by_own_prefixes(struct emitter *emitter,
    const struct pgripple_rule *other, const struct pgripple_link *link)
{
	const struct pgripple_rule *rule = emitter->rule;
	size_t tail = strlen("conj::") + strlen(rule->cacheops->table);

	for (size_t i = 0; i < n_own(rule); i++) {
		const struct template *t = own_template(rule, i);

		if (emitter_judge(emitter, t) != TEMPLATE_DONE)
			continue;
		emitter_begin(emitter);
		template_fill_wide(t, emitter_values(emitter), &emitter->text);
		if (emitter->text.failed)
			return -1;
		emitter->text.n -= tail;
		buf_printf(&emitter->text, "conj:%s:", other->cacheops->table);
		if (emit_part(emitter, other, link) < 0)
			return -1;
	}
	return 0;
}

static int
emit_other_side(struct emitter *emitter, const struct pgripple_rule *other,
    const struct pgripple_link *link)
{
	const struct pgripple_value *value =
	    emitter->touch->whole ? NULL
				  : &emitter->touch->values[link->column];
	bool is_known = value != NULL && value->kind == PGRIPPLE_VALUE_TEXT;
	bool needs_row = false;
	int result = 0;

	for (size_t i = 0; i < n_own(other) && result == 0; i++) {
		const struct template *t = own_template(other, i);

		if (!is_known) {
			result = emit_dependencies(emitter, t, NULL);
			continue;
		}
		needs_row |= !template_is_constant(t);
		if (!template_is_constant(t))
			continue;
		emitter_begin(emitter);
		template_fill_wide(t, NULL, &emitter->text);
		result = emit_part(emitter, other, link);
	}
	return result == 0 && needs_row
		   ? emit_part_by_own_prefixes(emitter, other, link)
		   : result;
}

/* Whether the field of this row, or of any row, got another value. */
static bool
moves_link(const struct emitter *emitter, const struct pgripple_link *link)
{
	const struct pgripple_touch *touch = emitter->touch;
	struct pgripple_columns column = {0};

	if (touch->own == NULL || touch->own->op == PGRIPPLE_OP_INVALIDATE)
		return false;
	pgripple_columns_add(&column, link->column);
	return !leaves(touch->own, &column) &&
	       (touch->whole ||
		   touch->values[link->column].kind != PGRIPPLE_VALUE_NULL);
}

static int
emit_link(struct emitter *emitter, const struct pgripple_link *link)
{
	const struct pgripple_target *own_target = emitter->target;
	int result = 0;

	for (size_t i = 0; i < link->to->n_models; i++) {
		const struct pgripple_model *model = link->to->models[i];

		for (size_t j = 0; j < model->n_rules && result == 0; j++) {
			const struct pgripple_rule *other = &model->rules[j];

			if (other->kind != PGRIPPLE_RULE_CACHEOPS ||
			    !other->enabled)
				continue;
			emitter->target = other->target;
			result = emit_other_side(emitter, other, link);
		}
	}
	emitter->target = own_target;
	return result;
}

static int
emit_links(struct emitter *emitter)
{
	const struct pgripple_table *table = emitter->touch->model->table;

	for (size_t i = 0; i < table->n_links; i++)
		if (moves_link(emitter, &table->links[i]) &&
		    emit_link(emitter, &table->links[i]) < 0)
			return -1;
	return 0;
}

int
emitter_emit_cacheops(struct emitter *emitter)
{
	const struct pgripple_rule *rule = emitter->rule;

	for (size_t i = 0; i < n_own(rule); i++)
		if (emit_row(emitter, own_template(rule, i)) < 0)
			return -1;
	for (size_t i = n_own(rule) - 1; i < rule->n_parts; i++) {
		const struct template *t = rule->parts[i].template;

		if (emitter_judge(emitter, t) != TEMPLATE_NULL &&
		    emit_dependencies(emitter, t, emitter_values(emitter)) < 0)
			return -1;
	}
	return emit_links(emitter);
}
