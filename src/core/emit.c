/*
 * What a touched row makes by the rules of its model.
 *
 * What a rule does for a row, for a row of which something is not known, and
 * for the whole model: docs/graph.md has it as a table.
 */
#include "core/emit.h"

#include <string.h>

#include "core/emit_private.h"

#define FENCE_PREFIX "fence:"

void
emitter_done(struct emitter *emitter)
{
	buf_done(&emitter->text);
	free(emitter->pieces);
}

void
emitter_begin(struct emitter *emitter)
{
	buf_reset(&emitter->text);
	emitter->start = emitter->n_pieces = 0;
	buf_add_string(&emitter->text, emitter->target->prefix);
}

void
emitter_begin_pattern(struct emitter *emitter)
{
	emitter_begin(emitter);
	buf_reset(&emitter->text);
	buf_add_string(&emitter->text, emitter->target->pattern);
}

void
emitter_end_piece(struct emitter *emitter)
{
	struct pgripple_bytes *pieces = emitter->pieces;

	if (emitter->n_pieces == emitter->capacity) {
		size_t capacity = emitter->capacity * 2 + 4;

		pieces = reallocarray(pieces, capacity, sizeof(*pieces));
		if (pieces == NULL) {
			emitter->text.failed = true;
			return;
		}
		emitter->pieces = pieces;
		emitter->capacity = capacity;
	}
	pieces[emitter->n_pieces++].length = emitter->text.n - emitter->start;
	buf_add_char(&emitter->text, '\0');
	emitter->start = emitter->text.n;
}

void
emitter_add_piece(struct emitter *emitter, const char *text)
{
	buf_add_string(&emitter->text, text);
	emitter_end_piece(emitter);
}

/* The text has stopped moving: now the pieces have addresses. */
static void
place_pieces(struct emitter *emitter)
{
	const char *at = emitter->text.bytes;

	for (size_t i = 0; i < emitter->n_pieces; i++) {
		emitter->pieces[i].bytes = at;
		at += emitter->pieces[i].length + 1;
	}
}

int
emitter_emit(struct emitter *emitter, enum pgripple_operation_kind kind,
    enum pgripple_operation_kind each, int64_t number)
{
	struct pgripple_operation operation = {
	    .kind = kind,
	    .each = each,
	    .target = emitter->target->index,
	    .number = number,
	};

	if (emitter->text.failed)
		return -1;
	place_pieces(emitter);
	operation.key = emitter->pieces[0].bytes;
	operation.key_length = emitter->pieces[0].length;
	operation.values = emitter->pieces + 1;
	operation.n_values = emitter->n_pieces - 1;
	return emitter->emit(emitter->context, &operation, emitter->rule);
}

static int
emit(struct emitter *emitter, enum pgripple_operation_kind kind)
{
	return emitter_emit(
	    emitter, kind, PGRIPPLE_OPERATION_UNLINK, emitter->rule->number);
}

/* What is known of the row; NULL for the whole model. */
const struct pgripple_value *
emitter_values(const struct emitter *emitter)
{
	return emitter->touch->whole ? NULL : emitter->touch->values;
}

enum template_outcome
emitter_judge(const struct emitter *emitter, const struct template *t)
{
	if (emitter->touch->whole)
		return template_is_constant(t) ? TEMPLATE_DONE
					       : TEMPLATE_UNKNOWN;
	return template_judge(t, emitter->touch->values);
}

/* One operation on the key that the rule's template makes. */
static int
emit_key(struct emitter *emitter, enum pgripple_operation_kind kind)
{
	emitter_begin(emitter);
	template_fill_wide(
	    emitter->rule->template, emitter_values(emitter), &emitter->text);
	emitter_end_piece(emitter);
	return emit(emitter, kind);
}

/* "whole_model" of the model says what to scan for instead of the rules. */
static bool
is_overridden(const struct emitter *emitter)
{
	return emitter->touch->whole &&
	       emitter->touch->model->whole_patterns != NULL;
}

/* The same on all keys that it could have made. */
static int
emit_scan(struct emitter *emitter, enum pgripple_operation_kind each)
{
	if (each == PGRIPPLE_OPERATION_UNLINK && is_overridden(emitter))
		return 0;
	emitter_begin_pattern(emitter);
	template_pattern(
	    emitter->rule->template, emitter_values(emitter), &emitter->text);
	emitter_end_piece(emitter);
	return emitter_emit(emitter, PGRIPPLE_OPERATION_SCAN, each, 0);
}

static int
emit_simple(struct emitter *emitter, enum pgripple_operation_kind kind,
    enum pgripple_operation_kind each)
{
	switch (emitter_judge(emitter, emitter->rule->template)) {
	case TEMPLATE_DONE:
		if (each == PGRIPPLE_OPERATION_UNLINK && is_overridden(emitter))
			return 0;
		return emit_key(emitter, kind);
	case TEMPLATE_UNKNOWN:
		return emit_scan(emitter, each);
	case TEMPLATE_NULL:
		break;
	}
	return 0;
}

/* If only the field is not known, the hash is, and goes as a whole. */
static int
emit_hash(struct emitter *emitter)
{
	const struct pgripple_rule *rule = emitter->rule;
	const struct template *field = rule->parts[0].template;
	enum template_outcome outcome = emitter_judge(emitter, field);

	if (outcome == TEMPLATE_NULL)
		return 0;
	if (outcome == TEMPLATE_UNKNOWN || emitter->touch->whole ||
	    emitter_judge(emitter, rule->template) != TEMPLATE_DONE)
		return emit_simple(emitter, PGRIPPLE_OPERATION_UNLINK,
		    PGRIPPLE_OPERATION_UNLINK);
	emitter_begin(emitter);
	template_fill_wide(
	    rule->template, emitter_values(emitter), &emitter->text);
	emitter_end_piece(emitter);
	template_fill_wide(field, emitter_values(emitter), &emitter->text);
	emitter_end_piece(emitter);
	return emit(emitter, PGRIPPLE_OPERATION_HDEL);
}

static int
emit_pattern(struct emitter *emitter)
{
	if (is_overridden(emitter) ||
	    emitter_judge(emitter, emitter->rule->template) == TEMPLATE_NULL)
		return 0;
	emitter_begin_pattern(emitter);
	template_fill_glob(
	    emitter->rule->template, emitter_values(emitter), &emitter->text);
	emitter_end_piece(emitter);
	return emit(emitter, PGRIPPLE_OPERATION_SCAN);
}

/* Where the key is not known the fence is the one for all rows, at which every
 * filler looks, too. */
static int
emit_fence(struct emitter *emitter)
{
	const struct template *t = emitter->rule->template;
	enum template_outcome outcome = emitter_judge(emitter, t);

	if (outcome == TEMPLATE_NULL)
		return 0;
	emitter_begin(emitter);
	buf_add_string(&emitter->text, FENCE_PREFIX);
	template_fill_wide(t,
	    outcome == TEMPLATE_DONE ? emitter_values(emitter) : NULL,
	    &emitter->text);
	emitter_end_piece(emitter);
	if (emit(emitter, PGRIPPLE_OPERATION_FENCE) < 0)
		return -1;
	return emit_simple(
	    emitter, PGRIPPLE_OPERATION_UNLINK, PGRIPPLE_OPERATION_UNLINK);
}

/* Nothing to say where a value is NULL; "*" stands for what is not known. */
static int
emit_publish(struct emitter *emitter)
{
	const struct pgripple_rule *rule = emitter->rule;

	if (emitter_judge(emitter, rule->template) == TEMPLATE_NULL ||
	    emitter_judge(emitter, rule->parts[0].template) == TEMPLATE_NULL)
		return 0;
	emitter_begin(emitter);
	template_fill_wide(
	    rule->template, emitter_values(emitter), &emitter->text);
	emitter_end_piece(emitter);
	template_fill_wide(
	    rule->parts[0].template, emitter_values(emitter), &emitter->text);
	emitter_end_piece(emitter);
	return emit(emitter, PGRIPPLE_OPERATION_PUBLISH);
}

/* A field that is NULL is left out. */
static int
emit_stream(struct emitter *emitter)
{
	const struct pgripple_rule *rule = emitter->rule;

	if (emitter_judge(emitter, rule->template) == TEMPLATE_NULL)
		return 0;
	emitter_begin(emitter);
	template_fill_wide(
	    rule->template, emitter_values(emitter), &emitter->text);
	emitter_end_piece(emitter);
	emitter_add_piece(emitter, "model");
	emitter_add_piece(emitter, emitter->touch->model->name);
	if (emitter->touch->whole) {
		emitter_add_piece(emitter, "whole");
		emitter_add_piece(emitter, "true");
	}
	for (size_t i = 0; i < rule->n_parts; i++) {
		const struct template *t = rule->parts[i].template;

		if (emitter_judge(emitter, t) == TEMPLATE_NULL)
			continue;
		emitter_add_piece(emitter, rule->parts[i].name);
		template_fill_wide(t, emitter_values(emitter), &emitter->text);
		emitter_end_piece(emitter);
	}
	return emit(emitter, PGRIPPLE_OPERATION_STREAM);
}

static int
emit_rule(struct emitter *emitter, const struct pgripple_rule *rule)
{
	emitter->rule = rule;
	emitter->target = rule->target;
	switch (rule->kind) {
	case PGRIPPLE_RULE_KEY:
		return emit_simple(emitter, PGRIPPLE_OPERATION_UNLINK,
		    PGRIPPLE_OPERATION_UNLINK);
	case PGRIPPLE_RULE_HASH:
		return emit_hash(emitter);
	case PGRIPPLE_RULE_TAG:
		return emit_simple(
		    emitter, PGRIPPLE_OPERATION_TAG, PGRIPPLE_OPERATION_DRAIN);
	case PGRIPPLE_RULE_VERSION:
		return emit_simple(emitter, PGRIPPLE_OPERATION_VERSION,
		    PGRIPPLE_OPERATION_VERSION);
	case PGRIPPLE_RULE_FENCE:
		return emit_fence(emitter);
	case PGRIPPLE_RULE_PATTERN:
		return emit_pattern(emitter);
	case PGRIPPLE_RULE_PUBLISH:
		return emit_publish(emitter);
	case PGRIPPLE_RULE_STREAM:
		return emit_stream(emitter);
	case PGRIPPLE_RULE_CACHEOPS:
		return emitter_emit_cacheops(emitter);
	}
	return 0;
}

static int
emit_whole_patterns(struct emitter *emitter, const struct pgripple_model *model)
{
	for (size_t i = 0; i < model->n_whole_patterns; i++) {
		emitter_begin_pattern(emitter);
		emitter_add_piece(emitter, model->whole_patterns[i]);
		if (emitter_emit(emitter, PGRIPPLE_OPERATION_SCAN,
			PGRIPPLE_OPERATION_UNLINK, 0) < 0)
			return -1;
	}
	return 0;
}

/* Whether there are but whole models on this target. */
static bool
is_coarse(const struct emitter *emitter, const struct pgripple_target *target)
{
	return (emitter->whole_targets >> target->index & 1) != 0;
}

static int
emit_whole_model(struct emitter *emitter, const struct pgripple_touch *touch)
{
	const struct pgripple_model *model = touch->model;

	emitter->rule = NULL;
	for (size_t i = 0; i < model->n_whole_targets; i++) {
		emitter->target = model->whole_targets[i];
		if ((touch->whole || is_coarse(emitter, emitter->target)) &&
		    emit_whole_patterns(emitter, model) < 0)
			return -1;
	}
	return 0;
}

/* What stands for a rule is repeated as the rule would be. */
static int
emit_replacement(struct emitter *emitter, const struct pgripple_rule *rule)
{
	if (!emitter->repeats || rule->repeat_ms == 0 ||
	    !is_overridden(emitter) || !pgripple_rule_is_replaced(rule))
		return 0;
	return emit_whole_patterns(emitter, emitter->touch->model);
}

static bool
applies(const struct pgripple_rule *rule, const struct pgripple_touch *touch)
{
	size_t column;

	return pgripple_judge_rule(touch, rule, &column) ==
	       PGRIPPLE_VERDICT_APPLIES;
}

int
emit_touch(struct emitter *emitter, const struct pgripple_touch *touch)
{
	const struct pgripple_model *model = touch->model;
	const struct pgripple_touch whole = {
	    .model = model,
	    .own = touch->own,
	    .whole = true,
	};

	if (emit_whole_model(emitter, touch) < 0)
		return -1;
	for (size_t i = 0; i < model->n_rules; i++) {
		const struct pgripple_rule *rule = &model->rules[i];

		emitter->touch =
		    is_coarse(emitter, rule->target) ? &whole : touch;
		if (applies(rule, touch) &&
		    (emit_rule(emitter, rule) < 0 ||
			emit_replacement(emitter, rule) < 0))
			return -1;
	}
	return 0;
}
