/*
 * Targets: which there are, and to which of them each rule goes.
 *
 * A graph.yaml names targets, the operator's settings say what they are: so
 * rules are led to them when both were read.
 */
#include "core/graph_spec.h"

#include <string.h>

#include "base/buf.h"
#include "base/closest.h"
#include "base/glob.h"

static int
make_target(struct pgripple_graph *graph,
    const struct pgripple_target_spec *spec, struct pgripple_target *target)
{
	CLEANUP(buf_done) struct buf pattern = BUF_INIT;

	glob_escape(&pattern, spec->prefix, strlen(spec->prefix));
	target->name = arena_strdup(graph->arena, spec->name);
	target->prefix = arena_strdup(graph->arena, spec->prefix);
	if (!pattern.failed)
		target->pattern =
		    arena_strdup(graph->arena, buf_string(&pattern));
	return target->name == NULL || target->prefix == NULL ||
		       target->pattern == NULL
		   ? -1
		   : 0;
}

static int
make_targets(struct pgripple_graph *graph,
    const struct pgripple_target_spec *specs, size_t n)
{
	graph->targets = arena_array(graph->arena, n, sizeof(*graph->targets));
	if (graph->targets == NULL)
		return -1;
	graph->n_targets = n;
	for (size_t i = 0; i < n; i++) {
		graph->targets[i].index = i;
		if (make_target(graph, &specs[i], &graph->targets[i]) < 0)
			return -1;
	}
	return 0;
}

static const struct pgripple_target *
find_target(const struct pgripple_graph *graph, const char *name)
{
	for (size_t i = 0; i < graph->n_targets; i++)
		if (strcmp(graph->targets[i].name, name) == 0)
			return &graph->targets[i];
	return NULL;
}

static void
add_unknown(const struct pgripple_graph *graph,
    const struct pgripple_rule *rule, struct pgripple_errors *errors)
{
	const char *names[PGRIPPLE_MAX_TARGETS];
	const char *near;
	struct pgripple_error *e;

	for (size_t i = 0; i < graph->n_targets; i++)
		names[i] = graph->targets[i].name;
	near = closest(rule->target_name, names, graph->n_targets);
	e = pgripple_errors_add(errors, rule->target_at,
	    "the settings have no target \"%.80s\"", rule->target_name);
	if (near != NULL)
		pgripple_error_hint(e, "Did you mean \"%s\"?", near);
	else
		pgripple_error_hint(e,
		    "Targets stand in pgripple.yaml, under \"targets\" of "
		    "\"redis\".");
}

/* What a rule that is switched off names may not exist. */
static void
aim_rule(const struct pgripple_graph *graph, struct pgripple_rule *rule,
    struct pgripple_errors *errors)
{
	const char *name = rule->target_name;

	rule->target =
	    find_target(graph, name != NULL ? name : PGRIPPLE_DEFAULT_TARGET);
	if (rule->target != NULL)
		return;
	rule->target = &graph->targets[0];
	if (!rule->enabled)
		return;
	if (name != NULL)
		add_unknown(graph, rule, errors);
	else
		pgripple_error_hint(
		    pgripple_errors_add(errors, rule->at,
			"the rule names no \"target\", and the settings have "
			"no default"),
		    "Name one, or give \"redis\" in pgripple.yaml a \"url\" of "
		    "its own, which is the default.");
}

bool
pgripple_rule_is_replaced(const struct pgripple_rule *rule)
{
	switch (rule->kind) {
	case PGRIPPLE_RULE_KEY:
	case PGRIPPLE_RULE_HASH:
	case PGRIPPLE_RULE_FENCE:
	case PGRIPPLE_RULE_PATTERN:
		return rule->enabled;
	case PGRIPPLE_RULE_TAG:
	case PGRIPPLE_RULE_VERSION:
	case PGRIPPLE_RULE_PUBLISH:
	case PGRIPPLE_RULE_STREAM:
	case PGRIPPLE_RULE_CACHEOPS:
		break;
	}
	return false;
}

static void
add_whole_target(
    struct pgripple_model *model, const struct pgripple_target *target)
{
	for (size_t i = 0; i < model->n_whole_targets; i++)
		if (model->whole_targets[i] == target)
			return;
	model->whole_targets[model->n_whole_targets++] = target;
}

/* -1: NOMEM. */
static int
aim_model(const struct pgripple_graph *graph, struct pgripple_model *model,
    struct pgripple_errors *errors)
{
	model->n_whole_targets = 0;
	model->whole_targets = arena_array(
	    graph->arena, model->n_rules + 1, sizeof(*model->whole_targets));
	if (model->whole_targets == NULL)
		return -1;
	for (size_t i = 0; i < model->n_rules; i++) {
		aim_rule(graph, &model->rules[i], errors);
		if (pgripple_rule_is_replaced(&model->rules[i]))
			add_whole_target(model, model->rules[i].target);
	}
	if (model->n_whole_targets == 0)
		add_whole_target(model, &graph->targets[0]);
	return 0;
}

static int
aim_models(struct pgripple_graph *graph,
    const struct pgripple_target_spec *specs, size_t n_specs,
    struct pgripple_errors *errors)
{
	if (make_targets(graph, specs, n_specs) < 0)
		return -1;
	for (size_t i = 0; i < graph->n_models; i++)
		if (aim_model(graph, &graph->models[i], errors) < 0)
			return -1;
	return 0;
}

static size_t
count(const struct pgripple_errors *errors)
{
	return errors->n_items + errors->n_dropped;
}

int
pgripple_graph_aim(struct pgripple_graph *graph,
    const struct pgripple_target_spec *targets, size_t n_targets,
    struct pgripple_errors *errors)
{
	size_t n_before = count(errors);
	struct pgripple_error err;

	if (aim_models(graph, targets, n_targets, errors) < 0) {
		(void)pgripple_error_nomem(&err);
		pgripple_errors_take(errors, &err);
	}
	return count(errors) == n_before ? 0 : -1;
}

/* Names are not looked up: no settings were read. */
int
graph_aim_at_default(struct pgripple_graph *graph)
{
	static const struct pgripple_target_spec only = {
	    PGRIPPLE_DEFAULT_TARGET, ""};

	if (make_targets(graph, &only, 1) < 0)
		return -1;
	for (size_t i = 0; i < graph->n_models; i++) {
		struct pgripple_model *model = &graph->models[i];

		for (size_t j = 0; j < model->n_rules; j++)
			model->rules[j].target = graph->targets;
		model->whole_targets =
		    arena_array(graph->arena, 1, sizeof(*model->whole_targets));
		if (model->whole_targets == NULL)
			return -1;
		add_whole_target(model, graph->targets);
	}
	return 0;
}
