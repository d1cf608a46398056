/*
 * "pgripple check", the part that looks for what django-cacheops has in Redis:
 * tables and prefixes that no rule names, and fields that cannot be matched.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/check.h"
#include "config/configuration.h"
#include "core/cacheops.h"
#include "core/template.h"
#include "redis/blocking.h"

#define SCHEMES "schemes:"

/* So many of a kind are told. */
#define MAX_TOLD 20

struct look {
	struct report *report;
	struct redis_blocking *redis;
	const struct pgripple_graph *graph;
	size_t target;
	/* The set at hand. */
	const struct pgripple_model *model; /* NULL: its table is in no rule */
	const struct pgripple_rule *rule;
	unsigned n_strange_tables;
	unsigned n_strange_prefixes;
	unsigned n_strange_fields;
};

static bool
uses_cacheops(const struct pgripple_rule *rule, size_t target)
{
	return rule->kind == PGRIPPLE_RULE_CACHEOPS && rule->enabled &&
	       rule->target->index == target;
}

/* Whether a rule's keys can begin so; one whose prefix comes from the row
 * may. */
static bool
names_prefix(const struct pgripple_rule *rule, const char *conj)
{
	for (size_t i = 0; i < rule->cacheops->n_prefixes; i++) {
		const struct template *t =
		    i == 0 ? rule->template : rule->parts[i - 1].template;
		CLEANUP(buf_done) struct buf own = BUF_INIT;

		if (!template_is_constant(t))
			return true;
		buf_add_string(&own, rule->target->prefix);
		template_fill_wide(t, NULL, &own);
		if (!own.failed && strcmp(buf_string(&own), conj) == 0)
			return true;
	}
	return false;
}

/* The last rule for the table that names the prefix, or else any. */
static bool
find_rule(struct look *look, const char *table, const char *conj)
{
	bool is_named = false;

	look->model = NULL;
	for (size_t i = 0; i < look->graph->n_models && !is_named; i++)
		for (size_t j = 0; j < look->graph->models[i].n_rules; j++) {
			const struct pgripple_model *model =
			    &look->graph->models[i];
			const struct pgripple_rule *rule = &model->rules[j];

			if (!uses_cacheops(rule, look->target) ||
			    strcmp(rule->cacheops->table, table) != 0)
				continue;
			look->model = model;
			look->rule = rule;
			is_named |= names_prefix(rule, conj);
		}
	return is_named;
}

static void
check_field(struct look *look, const char *field)
{
	if (cacheops_knows_field(
		look->rule->cacheops, look->model->table, field) ||
	    look->n_strange_fields++ >= MAX_TOLD)
		return;
	report_warning(look->report,
	    "If it is a column, say under \"kinds\" what it holds, and run "
	    "\"pgripple install\".",
	    "model \"%s\": cacheops keeps queries by \"%s\", whose values "
	    "cannot be told: each change looks at every key",
	    look->model->name, field);
}

static void
on_scheme(void *context, const char *scheme)
{
	const char *at = scheme;

	while (*at != '\0') {
		size_t n = strcspn(at, ",");
		char field[128];

		(void)snprintf(field, sizeof(field), "%.*s", (int)n, at);
		check_field(context, field);
		at += n + (at[n] == ',');
	}
}

/* Before the catalog told the columns nothing can be said of fields. */
static bool
is_described(const struct pgripple_table *table)
{
	for (size_t i = 0; i < table->n_columns; i++)
		if (table->columns[i].type != NULL)
			return true;
	return false;
}

static void
tell_strange(
    struct look *look, const char *table, int prefix_length, const char *key)
{
	if (look->model == NULL && look->n_strange_tables++ < MAX_TOLD)
		report_warning(look->report,
		    "Give it a model with the rule \"cacheops: {}\".",
		    "cacheops keeps queries of table \"%s\", which is in no "
		    "rule \"cacheops\"",
		    table);
	else if (look->model != NULL && look->n_strange_prefixes++ < MAX_TOLD)
		report_warning(look->report,
		    "Name it under \"prefix\" of the rule \"cacheops\".",
		    "model \"%s\": cacheops keeps queries under the prefix "
		    "\"%.*s\", which the rule does not name",
		    look->model->name, prefix_length, key);
}

/* PREFIX "schemes:" TABLE; the last of them, should a prefix have it too. */
static void
on_key(void *context, const char *key)
{
	struct look *look = context;
	CLEANUP(buf_done) struct buf conj = BUF_INIT;
	const char *at = NULL;
	const char *table;
	struct pgripple_error err;

	for (const char *next = key; (next = strstr(next, SCHEMES)) != NULL;
	     next++)
		at = next;
	if (at == NULL)
		return;
	table = at + strlen(SCHEMES);
	buf_add(&conj, key, (size_t)(at - key));
	buf_printf(&conj, "conj:%s:", table);
	if (!find_rule(look, table, buf_string(&conj)))
		tell_strange(look, table, (int)(at - key), key);
	else if (is_described(look->model->table) &&
		 redis_blocking_members(
		     look->redis, key, on_scheme, look, &err) < 0)
		report_warning(look->report, err.hint, "%s", err.text);
}

void
check_cacheops(struct report *report, struct redis_blocking *redis,
    const struct pgripple_graph *graph, size_t target)
{
	struct look look = {
	    .report = report,
	    .redis = redis,
	    .graph = graph,
	    .target = target,
	};
	struct pgripple_error err;
	bool is_used = false;

	for (size_t i = 0; i < graph->n_models; i++)
		for (size_t j = 0; j < graph->models[i].n_rules; j++)
			is_used |=
			    uses_cacheops(&graph->models[i].rules[j], target);
	if (is_used && redis_blocking_scan(
			   redis, "*" SCHEMES "*", on_key, &look, &err) < 0)
		report_warning(report, err.hint, "%s", err.text);
}
