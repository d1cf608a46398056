/*
 * The reasons of an explanation in words.
 */
#include "cli/explain.h"

#include <string.h>

#include "base/json_write.h"
#include "base/unit.h"
#include "base/utf8.h"
#include "core/template.h"

/* Spaces and quotes would run into what stands around; control characters
 * would steer the terminal. */
static bool
is_plain(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)bytes[i] <= ' ' || bytes[i] == '\177' ||
		    strchr("\",()'", bytes[i]) != NULL)
			return false;
	return n > 0 && utf8_is_valid(bytes, n);
}

void
explain_add_text(struct buf *buf, const char *bytes, size_t n)
{
	if (is_plain(bytes, n))
		buf_add(buf, bytes, n);
	else
		json_write_quoted(buf, bytes, n);
}

void
explain_add_value(struct buf *buf, const struct pgripple_value *value)
{
	switch (value->kind) {
	case PGRIPPLE_VALUE_UNKNOWN:
		buf_add_string(buf, "(not known)");
		break;
	case PGRIPPLE_VALUE_NULL:
		buf_add_string(buf, "NULL");
		break;
	case PGRIPPLE_VALUE_TEXT:
		/* The word and the value must not look alike. */
		if (value->length == 4 && memcmp(value->text, "NULL", 4) == 0)
			json_write_quoted(buf, value->text, value->length);
		else
			explain_add_text(buf, value->text, value->length);
		break;
	}
}

void
explain_add_columns(struct buf *buf, const struct pgripple_table *table,
    const struct pgripple_columns *columns)
{
	const char *comma = "";

	for (size_t i = 0; i < table->n_columns; i++)
		if (pgripple_columns_has(columns, i)) {
			buf_printf(buf, "%s%s", comma, table->columns[i].name);
			comma = ", ";
		}
}

static void
add_where(struct buf *buf, const struct pgripple_touch *touch,
    const struct pgripple_condition *condition, size_t column)
{
	const struct pgripple_where *where = condition->where;

	while (where->column != column)
		where++;
	buf_printf(buf, "%s is ", touch->model->table->columns[column].name);
	explain_add_value(buf, &touch->values[column]);
	buf_add_string(buf, ", not ");
	for (size_t i = 0; i < where->n_values; i++) {
		buf_add_string(buf, i > 0 ? " or " : "");
		if (where->values[i] == NULL)
			buf_add_string(buf, "NULL");
		else
			explain_add_text(
			    buf, where->values[i], strlen(where->values[i]));
	}
	buf_add_string(buf, " (where)");
}

void
explain_add_reason(struct buf *buf, const struct pgripple_touch *touch,
    const struct pgripple_condition *condition, enum pgripple_verdict verdict,
    size_t column)
{
	const struct pgripple_table *table = touch->model->table;

	switch (verdict) {
	case PGRIPPLE_VERDICT_APPLIES:
		break;
	case PGRIPPLE_VERDICT_DISABLED:
		buf_add_string(buf, "switched off (enabled)");
		break;
	case PGRIPPLE_VERDICT_STOPPED:
		buf_add_string(buf, "reached by a relation that is not "
				    "transitive");
		break;
	case PGRIPPLE_VERDICT_OWN_CHANGE_ONLY:
		buf_add_string(
		    buf, "the row itself did not change (own_change_only)");
		break;
	case PGRIPPLE_VERDICT_OPS:
		buf_printf(
		    buf, "not for %s (ops)", pgripple_op_name(touch->own->op));
		break;
	case PGRIPPLE_VERDICT_UNCHANGED:
		buf_add_string(buf, "unchanged: ");
		explain_add_columns(buf, table, &condition->changed);
		buf_add_string(buf, " (changed)");
		break;
	case PGRIPPLE_VERDICT_WHERE:
		add_where(buf, touch, condition, column);
		break;
	case PGRIPPLE_VERDICT_NULL:
		buf_printf(buf, "%s is NULL", table->columns[column].name);
		break;
	case PGRIPPLE_VERDICT_UNKNOWN:
		buf_printf(buf, "%s is not known", table->columns[column].name);
		break;
	}
}

void
explain_add_rule(struct buf *buf, const struct pgripple_rule *rule)
{
	buf_printf(buf, "%s ", pgripple_rule_kind_name(rule->kind));
	json_write_quoted(
	    buf, rule->template->source, strlen(rule->template->source));
}

void
explain_add_operation(struct buf *buf, const struct explain_operation *one)
{
	const struct pgripple_operation *operation = &one->operation;

	buf_printf(buf, "%s ", pgripple_operation_kind_name(operation->kind));
	explain_add_text(buf, operation->key, operation->key_length);
	if (one->target != NULL)
		buf_printf(buf, " on %s", one->target);
}

void
explain_add_repeat(struct buf *buf, int64_t after_ms)
{
	if (after_ms == PGRIPPLE_REPEAT_REPLICAS)
		buf_add_string(buf, "replicas");
	else
		unit_print_duration(buf, after_ms);
}

void
explain_add_no_key(struct buf *buf, const struct pgripple_touch *touch,
    const struct pgripple_rule *rule)
{
	for (size_t i = 0; i < rule->template->n_parts; i++) {
		const struct template_part *part = &rule->template->parts[i];

		if (part->is_column && touch->values != NULL &&
		    touch->values[part->column].kind == PGRIPPLE_VALUE_NULL) {
			buf_printf(buf, "%s is NULL", part->text);
			return;
		}
	}
	buf_add_string(buf, "a column of it is NULL");
}

void
explain_add_lookup_reason(struct buf *buf, const struct explain_lookup *lookup)
{
	const struct pgripple_relation *relation = lookup->relation;
	struct pgripple_columns none = {0};
	const char *also = "";

	if (memcmp(&lookup->missing, &none, sizeof(none)) != 0) {
		buf_printf(buf, "rows of %s must tell ", lookup->model->name);
		explain_add_columns(
		    buf, lookup->model->table, &lookup->missing);
		also = "; ";
	}
	for (size_t i = 0; relation != NULL && i < relation->n_columns; i++) {
		const struct pgripple_column *a =
		    &relation->from->table->columns[relation->from_columns[i]];
		const struct pgripple_column *b =
		    &relation->to->table->columns[relation->to_columns[i]];

		if (pgripple_relation_is_spelled_alike(relation, i))
			continue;
		buf_printf(buf,
		    "%s%s (%s) and %s (%s) may be equal and differ in text",
		    also, a->name, a->type, b->name, b->type);
		also = "; ";
	}
}

static void
add_failure(struct buf *buf, const struct explanation *explanation,
    const struct pgripple_relation *relation)
{
	const struct explain_lookup *one = explanation->lookups;

	if (explanation->database == NULL) {
		buf_add_string(buf, "a lookup is needed (offline)");
		return;
	}
	while (
	    one != NULL && (one->relation != relation || one->problem == NULL))
		one = one->next;
	buf_printf(buf, "the lookup failed: %s",
	    one == NULL ? "it is not known why" : one->problem);
}

void
explain_add_cause(struct buf *buf, const struct explanation *explanation,
    const struct pgripple_relation *relation, enum pgripple_cause cause)
{
	const struct pgripple_limits *limits = &explanation->limits;

	switch (cause) {
	case PGRIPPLE_CAUSE_UNKNOWN_VALUE:
		buf_add_string(buf, "a value on the left is not known");
		break;
	case PGRIPPLE_CAUSE_TOUCHED_ROWS:
		buf_printf(buf,
		    "more rows are touched than limits.touched_rows (%zu)",
		    limits->touched_rows);
		break;
	case PGRIPPLE_CAUSE_LOOKUP_ROWS:
		buf_printf(buf,
		    "more rows are found than limits.lookup_rows (%zu)",
		    limits->lookup_rows);
		break;
	case PGRIPPLE_CAUSE_LOOKUP_KEYS:
		buf_printf(buf,
		    "more keys are looked up than limits.lookup_rows (%zu)",
		    limits->lookup_keys);
		break;
	case PGRIPPLE_CAUSE_MEMORY:
		buf_add_string(buf, "it takes more memory than there is");
		break;
	case PGRIPPLE_CAUSE_LOOKUP_FAILED:
		add_failure(buf, explanation, relation);
		break;
	}
}

/* Why a relation that applies led to the whole model. */
static void
add_whole_reason(struct buf *buf, const struct explanation *explanation,
    const struct explain_led *led)
{
	const struct explain_escalation *one = explanation->escalations;

	if (led->touch->whole) {
		buf_printf(
		    buf, "every row of %s is", led->relation->from->name);
		return;
	}
	while (one != NULL && (one->relation != led->relation ||
				  one->cause == PGRIPPLE_CAUSE_UNKNOWN_VALUE))
		one = one->next;
	if (one != NULL)
		explain_add_cause(buf, explanation, one->relation, one->cause);
	else
		buf_add_string(buf, "it is touched as a whole anyway");
}

void
explain_add_way(struct buf *buf, const struct explanation *explanation,
    const struct explain_led *led)
{
	if (led->whole) {
		buf_printf(
		    buf, "every row of %s, as ", led->relation->to->name);
		if (led->verdict == PGRIPPLE_VERDICT_UNKNOWN)
			explain_add_reason(
			    buf, led->touch, NULL, led->verdict, led->column);
		else
			add_whole_reason(buf, explanation, led);
	} else if (led->relation->direct) {
		buf_add_string(buf, "no lookup needed");
	} else {
		buf_printf(buf, "looked up, %zu row%s", led->n_rows,
		    led->n_rows == 1 ? "" : "s");
	}
}
