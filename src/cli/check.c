/*
 * "pgripple check": the files, then the live database, then Redis.
 */
#include "cli/check.h"

#include <inttypes.h>

#include "cli/commands.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "core/template.h"
#include "redis/blocking.h"
#include "redis/url.h"

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* What reading the files cannot see, because other layers know it. */
static int
check_files(struct report *report, const struct configuration *configuration)
{
	const struct settings *settings = configuration->settings;
	const struct pgripple_graph *graph = configuration->graph;
	struct redis_url url;
	struct pgripple_error err;

	if (redis_url_parse(settings->redis.url, &url, &err) != 0) {
		report_failure(report, settings->file, &err);
		return -1;
	}
	redis_url_done(&url);
	report_ok(report, "%s", settings->file);
	if (settings_observes(settings))
		report_warning(report,
		    "Set \"mode\" to \"apply\" when the log shows what you "
		    "expect.",
		    "the mode is \"observe\": nothing is invalidated");
	report_ok(report, "%s: %zu model%s, %zu relation%s, %zu table%s",
	    settings->graph, graph->n_models, plural(graph->n_models),
	    graph->n_relations, plural(graph->n_relations), graph->n_tables,
	    plural(graph->n_tables));
	return 0;
}

/* SCAN has no index: a pattern rule costs what the keyspace is large. */
static void
warn_of_pattern(struct report *report, const struct pgripple_model *model,
    const struct pgripple_rule *rule, int64_t n_keys)
{
	if (rule->kind == PGRIPPLE_RULE_PATTERN && rule->enabled)
		report_warning(report,
		    "A tag, or a version in the keys, costs the same however "
		    "many keys there are.",
		    "model \"%s\": rule \"%s\" looks at every key for each "
		    "change, now %" PRId64,
		    model->name, rule->template->source, n_keys);
}

static void
check_patterns(struct report *report, struct redis_blocking *redis,
    const struct pgripple_graph *graph)
{
	struct pgripple_error err;
	int64_t n_keys;

	if (redis_blocking_count_keys(redis, &n_keys, &err) < 0) {
		report_warning(report, err.hint, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < graph->n_models; i++)
		for (size_t j = 0; j < graph->models[i].n_rules; j++)
			warn_of_pattern(report, &graph->models[i],
			    &graph->models[i].rules[j], n_keys);
}

void
check_redis(struct report *report, const struct configuration *configuration)
{
	const struct settings *settings = configuration->settings;
	struct redis_blocking *redis;
	struct pgripple_error err;
	enum exit_status status;

	status = setup_redis(settings, &redis, &err);
	if (status != EXIT_STATUS_OK && settings_observes(settings)) {
		report_warning(report, err.hint, "%s", err.text);
		return;
	}
	if (status != EXIT_STATUS_OK) {
		report_problem(report, err.hint, "%s", err.text);
		report_status(report, status);
		return;
	}
	report_ok(report, "redis %s: version %s, master, no cluster",
	    redis_blocking_describe(redis),
	    redis_blocking_server(redis)->version);
	check_patterns(report, redis, configuration->graph);
	redis_blocking_close(redis);
}

enum exit_status
check_command(const struct cli_call *call)
{
	struct report report = {0};
	struct configuration *configuration;
	enum exit_status status =
	    setup_configuration(call->options, &configuration);

	if (status != EXIT_STATUS_OK)
		return status;
	if (check_files(&report, configuration) == 0 &&
	    !options_has(call->options, OPTION_OFFLINE)) {
		check_postgres(&report, call->options, configuration);
		check_redis(&report, configuration);
	}
	configuration_free(configuration);
	return report_end(&report);
}
