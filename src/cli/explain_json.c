/*
 * An explanation for programs: one JSON object.  Rows are numbered and listed
 * once; relations name the rows to which they led by their numbers.
 */
#include "cli/explain.h"

#include <string.h>

#include "base/json_write.h"

static void
write_flag(struct buf *json, const char *key, bool value)
{
	json_write_key(json, key);
	json_write_bool(json, value);
}

/* A member whose text was put together; its buffer is released. */
static void
write_words(struct buf *json, const char *key, struct buf *words)
{
	json_write_key(json, key);
	json_write_string(json, buf_string(words), words->n);
	json->failed = json->failed || words->failed;
	buf_done(words);
}

static void
write_value(struct buf *json, const struct pgripple_value *value)
{
	switch (value->kind) {
	case PGRIPPLE_VALUE_UNKNOWN:
		json_write_open(json, '{');
		json_write_close(json, '}');
		break;
	case PGRIPPLE_VALUE_NULL:
		buf_add_string(json, "null");
		break;
	case PGRIPPLE_VALUE_TEXT:
		json_write_string(json, value->text, value->length);
		break;
	}
}

static void
write_operation(struct buf *json, const struct explain_operation *one)
{
	json_write_member(
	    json, "do", pgripple_operation_kind_name(one->operation.kind));
	json_write_key(json, "key");
	json_write_string(json, one->operation.key, one->operation.key_length);
	if (one->target != NULL)
		json_write_member(json, "target", one->target);
}

/* ---- rows ---- */

static void
write_values(struct buf *json, const struct pgripple_touch *touch)
{
	const struct pgripple_table *table = touch->model->table;
	const struct pgripple_columns *needed = pgripple_touch_needed(touch);
	bool is_update =
	    touch->own != NULL && touch->own->op == PGRIPPLE_OP_UPDATE;

	json_write_key(json, "values");
	json_write_open(json, '{');
	for (size_t i = 0; !touch->whole && i < table->n_columns; i++) {
		if (!pgripple_columns_has(needed, i) &&
		    (is_update ||
			touch->values[i].kind == PGRIPPLE_VALUE_UNKNOWN))
			continue;
		json_write_key(json, table->columns[i].name);
		write_value(json, &touch->values[i]);
	}
	json_write_close(json, '}');
}

/* The verdict, in a word; and why, where it is not that all applies. */
static void
write_verdict(struct buf *json, const struct pgripple_touch *touch,
    const struct pgripple_condition *condition, enum pgripple_verdict verdict,
    size_t column)
{
	struct buf why = BUF_INIT;

	json_write_member(json, "verdict", pgripple_verdict_name(verdict));
	if (verdict == PGRIPPLE_VERDICT_APPLIES)
		return;
	explain_add_reason(&why, touch, condition, verdict, column);
	write_words(json, "why", &why);
}

static void
write_rule(struct buf *json, const struct explain_row *row,
    const struct pgripple_rule *rule)
{
	struct buf name = BUF_INIT;
	size_t column = 0;
	enum pgripple_verdict verdict = PGRIPPLE_VERDICT_APPLIES;

	if (rule != NULL)
		explain_add_rule(&name, rule);
	else
		buf_add_string(&name, "whole_model");
	json_write_open(json, '{');
	write_words(json, "rule", &name);
	if (rule != NULL) {
		verdict = pgripple_judge_rule(row->touch, rule, &column);
		write_verdict(
		    json, row->touch, &rule->condition, verdict, column);
	}
	json_write_key(json, "operations");
	json_write_open(json, '[');
	for (const struct explain_deed *deed = row->deeds; deed != NULL;
	     deed = deed->next) {
		if (deed->rule != rule)
			continue;
		json_write_open(json, '{');
		write_operation(json, deed->operation);
		json_write_close(json, '}');
	}
	json_write_close(json, ']');
	json_write_close(json, '}');
}

static void
write_relation(struct buf *json, struct explanation *explanation,
    const struct pgripple_touch *touch,
    const struct pgripple_relation *relation)
{
	struct buf way = BUF_INIT;
	struct explain_led led;

	if (explain_follow(explanation, touch, relation, &led) != 0) {
		json->failed = true;
		return;
	}
	json_write_open(json, '{');
	json_write_member(json, "relation", relation->name);
	json_write_member(json, "to", relation->to->name);
	write_verdict(
	    json, touch, &relation->condition, led.verdict, led.column);
	if (led.verdict == PGRIPPLE_VERDICT_APPLIES ||
	    led.verdict == PGRIPPLE_VERDICT_UNKNOWN) {
		explain_add_way(&way, explanation, &led);
		write_words(json, "way", &way);
	}
	json_write_key(json, "rows");
	json_write_open(json, '[');
	for (size_t i = 0; i < led.n_rows; i++)
		json_write_int(json, (int64_t)led.rows[i]->number);
	json_write_close(json, ']');
	json_write_close(json, '}');
}

static void
write_row(struct buf *json, struct explanation *explanation,
    const struct explain_row *row)
{
	const struct pgripple_touch *touch = row->touch;
	const struct pgripple_model *model = touch->model;
	const char *image = explain_image_name(explanation, touch);

	json_write_open(json, '{');
	json_write_member_int(json, "row", (int64_t)row->number);
	json_write_member(json, "model", model->name);
	if (image != NULL && !touch->whole)
		json_write_member(json, "image", image);
	write_flag(json, "whole", touch->whole);
	write_values(json, touch);
	json_write_key(json, "rules");
	json_write_open(json, '[');
	if (explain_has_patterns(touch))
		write_rule(json, row, NULL);
	for (size_t i = 0; i < model->n_rules; i++)
		if (!explain_has_patterns(touch) ||
		    !pgripple_rule_is_replaced(&model->rules[i]))
			write_rule(json, row, &model->rules[i]);
	json_write_close(json, ']');
	json_write_key(json, "relations");
	json_write_open(json, '[');
	for (size_t i = 0; i < explanation->graph->n_relations; i++)
		if (explanation->graph->relations[i].from == model)
			write_relation(json, explanation, touch,
			    &explanation->graph->relations[i]);
	json_write_close(json, ']');
	json_write_close(json, '}');
}

/* ---- the rest ---- */

static void
write_lookup(struct buf *json, const struct explain_lookup *lookup)
{
	size_t n_columns = lookup->n_columns;
	struct buf why = BUF_INIT;

	explain_add_lookup_reason(&why, lookup);
	json_write_open(json, '{');
	if (lookup->relation != NULL)
		json_write_member(json, "relation", lookup->relation->name);
	else
		json_write_member(json, "by_hand", lookup->model->name);
	write_words(json, "why", &why);
	json_write_member_int(json, "n_keys", (int64_t)lookup->n_keys);
	json_write_key(json, "keys");
	json_write_open(json, '[');
	for (size_t i = 0; i < lookup->n_shown; i++) {
		json_write_open(json, '[');
		for (size_t j = 0; j < n_columns; j++)
			write_value(json, &lookup->keys[i * n_columns + j]);
		json_write_close(json, ']');
	}
	json_write_close(json, ']');
	if (lookup->sql != NULL)
		json_write_member(json, "sql", lookup->sql);
	if (lookup->problem != NULL)
		json_write_member(json, "problem", lookup->problem);
	else
		json_write_member_int(json, "n_rows", (int64_t)lookup->n_rows);
	json_write_close(json, '}');
}

static void
write_escalation(struct buf *json, const struct explanation *explanation,
    const struct explain_escalation *one)
{
	struct buf why = BUF_INIT;

	explain_add_cause(&why, explanation, one->relation, one->cause);
	json_write_open(json, '{');
	json_write_member(json, "relation", one->relation->name);
	json_write_member(json, "model", one->relation->to->name);
	json_write_member(json, "cause", pgripple_cause_name(one->cause));
	write_words(json, "why", &why);
	json_write_close(json, '}');
}

/* Only where there are any. */
static void
write_repeats(struct buf *json, const struct explain_operation *one)
{
	if (one->repeats == NULL)
		return;
	json_write_key(json, "repeat_after");
	json_write_open(json, '[');
	for (const struct explain_repeat *repeat = one->repeats; repeat != NULL;
	     repeat = repeat->next) {
		CLEANUP(buf_done) struct buf after = BUF_INIT;

		explain_add_repeat(&after, repeat->after_ms);
		json_write_string(json, buf_string(&after), after.n);
		json->failed |= after.failed;
	}
	json_write_close(json, ']');
}

static void
write_sum(struct buf *json, const struct explain_operation *one)
{
	struct buf rule = BUF_INIT;

	if (one->rule == NULL)
		buf_add_string(&rule, "whole_model");
	else
		explain_add_rule(&rule, one->rule);
	json_write_open(json, '{');
	write_operation(json, one);
	json_write_member(json, "model", one->model->name);
	write_words(json, "rule", &rule);
	json_write_member_int(json, "n_rows", (int64_t)one->n_rows);
	write_flag(json, "whole", one->whole);
	write_repeats(json, one);
	json_write_close(json, '}');
}

static void
write_head(struct buf *json, const struct explanation *explanation)
{
	json_write_member(json, "model", explanation->model->name);
	json_write_member(json, "table", explanation->model->table->spelled);
	write_flag(json, "offline", explanation->database == NULL);
	write_flag(json, "no_change", explanation->is_no_change);
	json_write_key(json, "change");
	buf_add_string(json, explanation->json);
	json_write_key(json, "notes");
	json_write_open(json, '[');
	for (size_t i = 0; i < explanation->n_notes; i++)
		json_write_string(
		    json, explanation->notes[i], strlen(explanation->notes[i]));
	json_write_close(json, ']');
}

void
explain_print_json(struct explanation *explanation, struct buf *json)
{
	json_write_open(json, '{');
	write_head(json, explanation);
	json_write_key(json, "rows");
	json_write_open(json, '[');
	for (size_t i = 0; i < explanation->n_rows; i++)
		write_row(json, explanation, &explanation->rows[i]);
	json_write_close(json, ']');
	json_write_key(json, "lookups");
	json_write_open(json, '[');
	for (const struct explain_lookup *lookup = explanation->lookups;
	     lookup != NULL; lookup = lookup->next)
		write_lookup(json, lookup);
	json_write_close(json, ']');
	json_write_key(json, "escalations");
	json_write_open(json, '[');
	for (const struct explain_escalation *one = explanation->escalations;
	     one != NULL; one = one->next)
		write_escalation(json, explanation, one);
	json_write_close(json, ']');
	json_write_key(json, "operations");
	json_write_open(json, '[');
	for (size_t i = 0; i < explanation->n_operations; i++)
		write_sum(json, explanation->operations[i]);
	json_write_close(json, ']');
	json_write_close(json, '}');
}
