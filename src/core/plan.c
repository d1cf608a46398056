/*
 * From touched rows to operations in Redis, each once.
 */
#include <pgripple/plan.h>

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "core/template.h"

const char *
pgripple_operation_kind_name(enum pgripple_operation_kind kind)
{
	switch (kind) {
	case PGRIPPLE_OPERATION_UNLINK:
		return "unlink";
	case PGRIPPLE_OPERATION_SCAN:
		return "scan";
	}
	return "unknown";
}

/* What a touched row makes is told one operation at a time; returning -1 ends
 * it. */
typedef int (*emit_cb)(void *context,
    const struct pgripple_operation *operation,
    const struct pgripple_rule *rule);

struct emitter {
	emit_cb emit;
	void *context;
	struct buf key;
};

static int
emit_key(struct emitter *emitter, enum pgripple_operation_kind kind,
    const struct pgripple_rule *rule)
{
	struct pgripple_operation operation = {
	    .kind = kind,
	    .key = buf_string(&emitter->key),
	    .key_length = emitter->key.n,
	};

	return emitter->key.failed
		   ? -1
		   : emitter->emit(emitter->context, &operation, rule);
}

static int
emit_pattern(struct emitter *emitter, const struct pgripple_rule *rule,
    const struct pgripple_value *values)
{
	template_pattern(rule->template, values, &emitter->key);
	return emit_key(emitter, PGRIPPLE_OPERATION_SCAN, rule);
}

static int
emit_rule(struct emitter *emitter, const struct pgripple_rule *rule,
    const struct pgripple_touch *touch)
{
	buf_reset(&emitter->key);
	if (touch->whole && !template_is_constant(rule->template))
		return emit_pattern(emitter, rule, NULL);
	switch (template_fill(rule->template, touch->values, &emitter->key)) {
	case TEMPLATE_DONE:
		return emit_key(emitter, PGRIPPLE_OPERATION_UNLINK, rule);
	case TEMPLATE_NULL:
		return 0;
	case TEMPLATE_UNKNOWN:
		return emit_pattern(emitter, rule, touch->values);
	}
	return 0;
}

/* "whole_model" of the model says it instead of the rules. */
static int
emit_whole_patterns(struct emitter *emitter, const struct pgripple_model *model)
{
	for (size_t i = 0; i < model->n_whole_patterns; i++) {
		buf_reset(&emitter->key);
		buf_add_string(&emitter->key, model->whole_patterns[i]);
		if (emit_key(emitter, PGRIPPLE_OPERATION_SCAN, NULL) < 0)
			return -1;
	}
	return 0;
}

static bool
applies(const struct pgripple_rule *rule, const struct pgripple_touch *touch)
{
	size_t column;

	return pgripple_judge_rule(touch, rule, &column) ==
	       PGRIPPLE_VERDICT_APPLIES;
}

static int
emit_touch(struct emitter *emitter, const struct pgripple_touch *touch)
{
	const struct pgripple_model *model = touch->model;

	if (touch->whole && model->whole_patterns != NULL)
		return emit_whole_patterns(emitter, model);
	for (size_t i = 0; i < model->n_rules; i++)
		if (applies(&model->rules[i], touch) &&
		    emit_rule(emitter, &model->rules[i], touch) < 0)
			return -1;
	return 0;
}

/* The plan under way: operations in the arena, of both kinds apart. */
struct planner {
	struct arena *arena;
	struct map known[2]; /* by kind: bytes of the key */
	struct planned *first[2];
	struct planned **last[2];
	size_t n[2];
};

struct planned {
	struct pgripple_operation operation;
	struct planned *next;
};

static int
plan_operation(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule UNUSED)
{
	struct planner *planner = context;
	enum pgripple_operation_kind kind = operation->kind;
	struct planned *planned;
	const char *key;
	void **place = map_put_copy(&planner->known[kind], planner->arena,
	    operation->key, operation->key_length, &key);

	if (place == NULL)
		return -1;
	if (*place != NULL)
		return 0;
	*place = planned = arena_alloc(planner->arena, sizeof(*planned));
	if (planned == NULL)
		return -1;
	planned->operation = *operation;
	planned->operation.key = key;
	*planner->last[kind] = planned;
	planner->last[kind] = &planned->next;
	planner->n[kind]++;
	return 0;
}

static int
finish(struct planner *planner, struct pgripple_plan *ret_plan)
{
	struct pgripple_plan plan = {
	    .n_operations = planner->n[0] + planner->n[1],
	    .n_unlink = planner->n[PGRIPPLE_OPERATION_UNLINK],
	};
	size_t n = 0;

	plan.operations = arena_array(
	    planner->arena, plan.n_operations, sizeof(*plan.operations));
	if (plan.operations == NULL)
		return -1;
	for (size_t kind = 0; kind < N_ELEMENTS(planner->first); kind++)
		for (struct planned *planned = planner->first[kind];
		     planned != NULL; planned = planned->next)
			plan.operations[n++] = planned->operation;
	*ret_plan = plan;
	return 0;
}

int
pgripple_plan_make(struct pgripple_walk *walk, struct pgripple_plan *ret_plan,
    struct pgripple_error *err)
{
	struct planner planner = {.arena = pgripple_walk_arena(walk)};
	struct emitter emitter = {plan_operation, &planner, BUF_INIT};
	int result = 0;

	for (size_t kind = 0; kind < N_ELEMENTS(planner.last); kind++)
		planner.last[kind] = &planner.first[kind];
	for (const struct pgripple_touch *touch = pgripple_walk_touches(walk);
	     touch != NULL && result == 0; touch = touch->next)
		result = emit_touch(&emitter, touch);
	if (result == 0)
		result = finish(&planner, ret_plan);
	for (size_t kind = 0; kind < N_ELEMENTS(planner.known); kind++)
		map_done(&planner.known[kind]);
	buf_done(&emitter.key);
	return result < 0 ? pgripple_error_nomem(err) : 0;
}

struct explainer {
	pgripple_plan_cb report;
	void *context;
};

static int
explain_operation(void *context, const struct pgripple_operation *operation,
    const struct pgripple_rule *rule)
{
	struct explainer *explainer = context;

	explainer->report(explainer->context, operation, rule);
	return 0;
}

int
pgripple_plan_explain(const struct pgripple_touch *touch,
    pgripple_plan_cb report, void *context, struct pgripple_error *err)
{
	struct explainer explainer = {report, context};
	struct emitter emitter = {explain_operation, &explainer, BUF_INIT};
	int result = emit_touch(&emitter, touch);

	buf_done(&emitter.key);
	return result < 0 ? pgripple_error_nomem(err) : 0;
}
