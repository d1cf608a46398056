/*
 * "pgripple check": the files, then the live database, then Redis.
 */
#include "cli/check.h"

#include "cli/commands.h"
#include "cli/setup.h"
#include "config/configuration.h"
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

void
check_redis(struct report *report, const struct settings *settings)
{
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
		check_redis(&report, configuration->settings);
	}
	configuration_free(configuration);
	return report_end(&report);
}
